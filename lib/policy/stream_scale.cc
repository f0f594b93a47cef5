#include "lib/policy/stream_scale.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/analysis/hazard_context.h"
#include "lib/base/error.h"
#include "lib/policy/residual_bound.h"

namespace onnxquant {
namespace {

// Measured peaks are those of some text; another may go higher.
constexpr double kMargin = 1.5;

// How large the stream is, and how that is known.
struct StreamPeak {
  double peak = 0;
  double margin = 1;
  std::string why;
};

// From measured ranges where there are some, else from the weights.
absl::StatusOr<StreamPeak> PeakOfStream(const PlanContext& context, const std::string& source) {
  const Evidence& evidence = context.evidence;
  const Graph& graph = context.graph();
  if (evidence.ranges) {
    StreamPeak result;
    std::string highest;
    for (const ValueId value : context.analysis.residual.values) {
      const std::string& name = graph.value(value).name;
      const auto measured = evidence.ranges->peaks.find(name);
      if (measured == evidence.ranges->peaks.end()) {
        return UsageError(evidence.ranges->file, ": holds no peak of '", name,
                          "', which belongs to the residual stream of ", context.origin,
                          "; measure the ranges of this very model, or say 'rescale: K'");
      }
      if (measured->second < result.peak) continue;
      result.peak = measured->second;
      highest = name;
    }
    result.margin = kMargin;
    result.why = absl::StrCat("measured peak ", absl::StrFormat("%.4g", result.peak), " in '",
                              highest, "', margin ", kMargin);
    return result;
  }
  const std::string remedy =
      "; measure them ('onnxquant ranges') and give --ranges FILE, or say 'rescale: K' with a K of "
      "your own";
  if (evidence.model == nullptr) {
    return PolicyError(source, " says 'rescale: auto', which needs measured ranges", remedy);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const StreamBound bound,
                             BoundStream(graph, context.analysis.residual, *evidence.model));
  if (!bound.unbounded.empty()) {
    return PolicyError(source, " says 'rescale: auto', which needs measured ranges for ",
                       context.origin, ": the weights alone put no bound on '", bound.unbounded,
                       "', which joins the residual stream without a norm", remedy);
  }
  StreamPeak result;
  result.peak = bound.peak;
  result.why = absl::StrCat("bound from the weights ", absl::StrFormat("%.4g", bound.peak));
  return result;
}

}  // namespace

std::string PowerOfTwo(int exponent) {
  return absl::StrCat("2^", exponent);
}

absl::StatusOr<StreamScale> ChooseScale(const PlanContext& context, const ResidualRequest& request,
                                        const IdVector<NodePlan>& nodes) {
  const ResidualSetting& setting = request.setting;
  if (setting.exponent > 0) return StreamScale{setting.exponent, "as the policy says"};
  const ResidualStream& stream = context.analysis.residual;
  const auto in_half = [&nodes](NodeId id) { return nodes[id].compute == ElementType::kFloat16; };
  if (std::none_of(stream.adds.begin(), stream.adds.end(), in_half)) {
    return StreamScale{0, "its sums are not computed in float16"};
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const StreamPeak peak, PeakOfStream(context, request.reason.source()));
  double limit = kHalfLargest;
  std::string why = absl::StrCat(peak.why, ", float16 holds 65504");
  const bool half_norm = std::any_of(stream.norms.begin(), stream.norms.end(),
                                     [&](const auto& norm) { return in_half(norm.node); });
  if (half_norm && stream.width > 0) {
    limit = std::min(limit, std::sqrt(kHalfLargest * static_cast<double>(stream.width)));
    why = absl::StrCat(peak.why, ", float16 norms over ", stream.width, " elements hold ",
                       absl::StrFormat("%.0f", limit));
  }
  const double excess = peak.peak * peak.margin / limit;
  // Beyond float64, too, it is more than can be taken out.
  const double bits = excess <= 1 ? 0 : std::min(1024.0, std::ceil(std::log2(excess)));
  const int k = static_cast<int>(bits);
  if (k > ResidualSetting::kLargestExponent) {
    return ModelError(context.origin, ": ", request.reason.source(),
                      " rescales the residual stream, but ", why, ": a scale of ", PowerOfTwo(-k),
                      " would leave float16 no precision; use 'residual: float32'");
  }
  return StreamScale{k, why};
}

}  // namespace onnxquant
