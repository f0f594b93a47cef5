#include "lib/check/stream.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/analysis/hazard_context.h"
#include "lib/base/error.h"
#include "lib/policy/residual_bound.h"

namespace onnxquant {
namespace {

constexpr int kLongestWay = 8;
// Gains are rounded when they become float16, and the bound with them.
constexpr double kRounding = 1 + 1.0 / 1024;

class StreamFinder {
 public:
  StreamFinder(const Model& model, const Analysis& analysis)
      : model_(model), analysis_(analysis), context_(analysis.graph, analysis.types) {}

  absl::StatusOr<Stream> Run(const std::optional<Ranges>& ranges) {
    for (const NodeId id : analysis_.residual.adds) AddSum(id);
    for (std::size_t i = 0; i < stream_.sums.size(); ++i) {
      Follow(stream_.sums[i].value, i, kLongestWay);
      VisitNorm(stream_.sums[i].node);
    }
    if (ranges) ONNXQUANT_RETURN_IF_ERROR(Measure(*ranges));
    if (!ranges && narrows_ && model_.damages().empty()) ONNXQUANT_RETURN_IF_ERROR(Bound());
    return std::move(stream_);
  }

 private:
  void AddSum(NodeId id) {
    constexpr std::size_t kSumOfSkipNorm = 3;
    const ValueIds& outputs = analysis_.graph.node(id).outputs;
    StreamSum sum;
    sum.node = id;
    if (!IsSkipNorm(analysis_.graph, id)) {
      sum.value = context_.Output(id);
    } else if (outputs.size() > kSumOfSkipNorm) {
      sum.value = outputs[kSumOfSkipNorm];
    }
    sum.type = context_.TypeOf(sum.value == kNone ? context_.Output(id) : sum.value);
    narrows_ = narrows_ || sum.type == ElementType::kFloat16;
    stream_.sums.push_back(sum);
  }

  void Follow(ValueId value, std::size_t sum, int depth) {
    if (value == kNone || depth == 0 || !context_.IsFloat(value)) return;
    if (!stream_.sum_of.emplace(value, sum).second) return;
    narrows_ = narrows_ || context_.TypeOf(value) == ElementType::kFloat16;
    for (const Use& use : analysis_.graph.value(value).uses) {
      if (use.input == 0 && context_.IsMover(use.node)) {
        Follow(context_.Output(use.node), sum, depth - 1);
      }
      // What limits it is a part of it no more, but a norm may still read it.
      const bool limits = context_.IsOneOf(use.node, {"Clip", "Min", "Max"});
      narrows_ = narrows_ || limits;
      if (limits) VisitReaders(context_.Output(use.node), depth - 1);
    }
    VisitReaders(value, 1);
  }

  void VisitReaders(ValueId value, int depth) {
    if (value == kNone || depth <= 0) return;
    for (const Use& use : analysis_.graph.value(value).uses) {
      VisitNorm(use.node);
      if (context_.IsMover(use.node) || context_.IsOneOf(use.node, {"Clip", "Min", "Max"})) {
        VisitReaders(context_.Output(use.node), depth - 1);
      }
    }
  }

  // Some kernels square in float16.
  void VisitNorm(NodeId id) {
    if (!IsScaleInvariantNorm(analysis_.graph, id)) return;
    if (context_.TypeOf(context_.Input(id, 0)) != ElementType::kFloat16) return;
    const ValueId gain = context_.Input(id, IsSkipNorm(analysis_.graph, id) ? 2 : 1);
    const auto shape =
        gain == kNone ? std::nullopt : ConstantShape(analysis_.graph, context_.Origin(gain));
    if (!shape || shape->empty()) return;
    std::int64_t& width = stream_.half_norm_width;
    width = width == 0 ? shape->back() : std::min(width, shape->back());
  }

  absl::Status Measure(const Ranges& ranges) {
    stream_.measured = true;
    bool any = false;
    for (StreamSum& sum : stream_.sums) {
      if (sum.value == kNone) continue;
      const auto peak = ranges.peaks.find(analysis_.graph.value(sum.value).name);
      if (peak == ranges.peaks.end()) continue;
      sum.measured = peak->second;
      any = true;
    }
    if (any || stream_.sums.empty() || stream_.sums.front().value == kNone) {
      return absl::OkStatus();
    }
    return UsageError(ranges.file, ": holds no peak of '",
                      analysis_.graph.value(stream_.sums.front().value).name,
                      "', which belongs to the residual stream of ", model_.path(),
                      "; measure the ranges of this model, or of the float32 model it was made of");
  }

  absl::Status Bound() {
    ResidualStream stream;
    for (const StreamSum& sum : stream_.sums) {
      if (sum.value != kNone) stream.values.push_back(sum.value);
    }
    if (stream.values.empty()) return absl::OkStatus();
    ONNXQUANT_ASSIGN_OR_RETURN(const StreamBound bound,
                               BoundStream(analysis_.graph, stream, model_));
    stream_.unbounded = bound.unbounded;
    if (bound.unbounded.empty()) stream_.bound = bound.peak;
    return absl::OkStatus();
  }

  const Model& model_;
  const Analysis& analysis_;
  const HazardContext context_;
  Stream stream_;
  bool narrows_ = false;  // some of it is float16, or limited: its magnitude matters
};

}  // namespace

absl::StatusOr<Stream> FindStream(const Model& model, const Analysis& analysis,
                                  const std::optional<Ranges>& ranges) {
  return StreamFinder(model, analysis).Run(ranges);
}

Fit FitOf(const Stream& stream, const StreamSum& sum, double limit) {
  if (sum.measured) return *sum.measured > limit ? Fit::kExceeds : Fit::kFits;
  if (stream.measured || !stream.bound || sum.value == kNone) return Fit::kUnknown;
  return *stream.bound > limit * kRounding ? Fit::kExceeds : Fit::kFits;
}

std::string Magnitude(const Stream& stream, const StreamSum& sum) {
  if (sum.measured)
    return absl::StrCat("was measured up to ", absl::StrFormat("%.4g", *sum.measured));
  if (stream.bound) {
    return absl::StrCat("may come to ", absl::StrFormat("%.3g", *stream.bound),
                        " (a bound from the weights)");
  }
  if (!stream.unbounded.empty()) {
    return absl::StrCat("has no known bound: the weights give none for '", stream.unbounded,
                        "', which joins it");
  }
  return "has no known bound";
}

}  // namespace onnxquant
