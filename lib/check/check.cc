#include "lib/check/check.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/error.h"
#include "lib/check/checkers.h"
#include "lib/targets/kernels.h"

namespace onnxquant {
namespace {

// The 16-bit type of most values; "" where there is none.
std::string HalfTypeOf(const Analysis& analysis) {
  const auto float16 =
      std::count(analysis.types.begin(), analysis.types.end(), ElementType::kFloat16);
  const auto bfloat16 =
      std::count(analysis.types.begin(), analysis.types.end(), ElementType::kBFloat16);
  if (float16 + bfloat16 == 0) return "";
  return NameOf(float16 >= bfloat16 ? ElementType::kFloat16 : ElementType::kBFloat16);
}

// Whether some node may compute in true 16 bits there: the CPU computes them in float32.
bool ComputesInHalf(const Target& target) {
  return std::any_of(target.row->places.begin(), target.row->places.end(), [](const Place& place) {
    return place.kernels == kWebGpuKernels || place.kernels == kCudaKernels ||
           place.kernels == kCoreMlKernels;
  });
}

absl::StatusOr<CheckResult> CheckLoaded(absl::StatusOr<Model> model, const CheckOptions& options) {
  ONNXQUANT_RETURN_IF_ERROR(model.status());
  const absl::StatusOr<Analysis> analysis = Analyze(model->proto(), model->path());
  if (!analysis.ok() && model->damages().empty()) return analysis.status();
  return IfUnchanged(*model, CheckAnalyzed(*model, analysis.ok() ? &*analysis : nullptr, options));
}

}  // namespace

absl::StatusOr<CheckResult> CheckAnalyzed(const Model& model, const Analysis* analysis,
                                          const CheckOptions& options, bool all_weights) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Target target, ParseTarget(options.target));
  std::optional<Ranges> ranges;
  if (!options.ranges.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(ranges, LoadRanges(options.ranges));
  }
  Stream stream;
  if (analysis != nullptr) {
    ONNXQUANT_ASSIGN_OR_RETURN(stream, FindStream(model, *analysis, ranges));
  }
  const CheckContext context{model, analysis, stream, target, all_weights};
  CheckResult result;
  result.path = model.path();
  result.target = options.target;
  if (analysis != nullptr) {
    result.layers = analysis->roles.layers;
    result.half_type = HalfTypeOf(*analysis);
  }
  for (const Checker& checker : Checkers()) {
    if (!(ComputesInHalf(target) ? checker.on_webgpu : checker.on_cpu)) continue;
    if (checker.of_graph && analysis == nullptr) continue;
    // The default says what goes wrong in 16 bits; what has kernels is asked of a target by name.
    const bool unasked = options.target == CheckOptions().target;
    if (unasked && checker.find == FindTargetFaults) continue;
    const std::size_t before = result.findings.size();
    ONNXQUANT_RETURN_IF_ERROR(checker.find(context, checker.kind, result.findings));
    for (std::size_t i = before; i < result.findings.size(); ++i) {
      result.findings[i].mended = result.findings[i].mended || checker.mended;
    }
  }
  // Nothing is read of damaged data, so that nothing can be converted.
  bool mended = false;
  for (Finding& finding : result.findings) {
    finding.mended = finding.mended && model.damages().empty();
    mended = mended || finding.mended;
  }
  std::stable_sort(result.findings.begin(), result.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  if (mended) {
    const bool limits_constants = std::any_of(
        result.findings.begin(), result.findings.end(),
        [](const Finding& finding) { return finding.kind == "mask_fill_beyond_range"; });
    Remedy remedy = RemedyFor(context, limits_constants);
    result.policy = std::move(remedy.policy);
    result.dtype = std::move(remedy.dtype);
    result.command = std::move(remedy.command);
  }
  return result;
}

absl::StatusOr<CheckResult> CheckModel(const std::string& path, const CheckOptions& options) {
  ONNXQUANT_RETURN_IF_ERROR(ParseTarget(options.target).status());
  return CheckLoaded(Model::LoadToExamine(path), options);
}

absl::StatusOr<CheckResult> CheckModel(const ModelInMemory& model, const CheckOptions& options) {
  ONNXQUANT_RETURN_IF_ERROR(ParseTarget(options.target).status());
  return CheckLoaded(Model::FromMemory(model), options);
}

std::vector<CheckKind> CheckKinds() {
  std::vector<CheckKind> kinds;
  for (const Checker& checker : Checkers()) kinds.push_back({checker.kind, checker.meaning});
  return kinds;
}

const char* NameOf(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

}  // namespace onnxquant
