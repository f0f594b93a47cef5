// long_reduction and accumulating_loop: sums that outgrow float16.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"
#include "lib/analysis/ranks.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kVeryLong = std::int64_t{1} << 30;

constexpr absl::string_view kSums[] = {"ReduceSum",       "ReduceMean",   "ReduceL1",
                                       "ReduceL2",        "ReduceLogSum", "ReduceLogSumExp",
                                       "ReduceSumSquare", "ReduceProd"};

// Damaged models say what they like: what is no axis of any tensor becomes one that no tensor has,
// and small enough to compute with.
constexpr std::int64_t kNoAxis = kVeryLong;

std::int64_t BoundedAxis(std::int64_t axis) {
  return axis < -kNoAxis || axis > kNoAxis ? kNoAxis : axis;
}

std::int64_t AxisOf(double number) {
  const bool in_range =
      number >= -static_cast<double>(kNoAxis) && number <= static_cast<double>(kNoAxis);
  return in_range ? static_cast<std::int64_t>(number) : kNoAxis;
}

std::int64_t BoundedLength(std::int64_t length) {
  return std::clamp<std::int64_t>(length, 1, kVeryLong);
}

// The axes that a reduction names; empty for all, nothing where they are computed.
std::optional<std::vector<std::int64_t>> AxesOf(const HazardContext& context, NodeId node) {
  std::vector<std::int64_t> axes;
  const onnx::NodeProto& proto = *context.graph().node(node).proto;
  if (const onnx::AttributeProto* attribute = FindAttribute(proto, "axes")) {
    for (const std::int64_t axis : attribute->ints()) axes.push_back(BoundedAxis(axis));
  } else if (context.Input(node, 1) != kNone) {
    const auto numbers = context.Constant(context.Input(node, 1));
    if (!numbers) return std::nullopt;
    for (const double number : *numbers) axes.push_back(AxisOf(number));
  }
  return axes;
}

// Whether the node averages or sums over a picture (or a volume), the axes after batch and channel.
bool ReducesPicture(const HazardContext& context, NodeId node) {
  if (context.Op(node) == "GlobalAveragePool") return true;
  std::optional<std::vector<std::int64_t>> axes = AxesOf(context, node);
  if (!axes || axes->size() < 2) return false;
  std::sort(axes->begin(), axes->end());
  const auto count = static_cast<std::int64_t>(axes->size());
  const std::int64_t first = axes->front();
  return axes->back() - first + 1 == count && (first == 2 || first == -count);
}

// Whether the model leaves open how large the picture is that the node reduces.
bool HasOpenPicture(const HazardContext& context, NodeId node) {
  const auto shape = context.ShapeOf(context.Input(node, 0));
  if (!shape) return true;
  const auto picture = shape->begin() + std::min<std::ptrdiff_t>(2, std::ssize(*shape));
  return std::any_of(picture, shape->end(), [](std::int64_t dim) { return dim < 0; });
}

// Whether a convolution makes the value, so that its features come before what they are of.
bool HasFeaturesFirst(const HazardContext& context, ValueId value) {
  constexpr int kFewSteps = 8;
  for (int i = 0; i < kFewSteps; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone) return false;
    if (context.IsOneOf(node, {"Conv", "BatchNormalization"})) return true;
    if (context.Op(node) == "Transpose") return false;
    value = context.Input(node, 0);
  }
  return false;
}

// Whether the model leaves open how long one of the axes is that the node reduces: a sequence, or
// time. The batch is none, if two more axes follow it. Where shapes are not declared, the axis
// before the features is taken for one.
bool ReducesSequence(const HazardContext& context, NodeId node) {
  std::optional<std::vector<std::int64_t>> axes = AxesOf(context, node);
  if (!axes) return false;
  const ValueId value = context.Input(node, 0);
  const auto shape = context.ShapeOf(value);
  const std::int64_t rank = shape            ? std::ssize(*shape)
                            : value == kNone ? -1
                                             : RankOf(context.graph(), value);
  if (axes->empty()) {  // all of them
    for (std::int64_t axis = 0; axis < rank; ++axis) axes->push_back(axis);
  }
  return std::any_of(axes->begin(), axes->end(), [&](std::int64_t axis) {
    if (!shape && rank < 0) return axis == -2;
    if (axis < 0) axis += rank;
    const std::int64_t least = rank < 3 ? 0 : 1;
    if (axis < least || axis >= rank) return false;
    const std::int64_t dim = shape ? (*shape)[static_cast<std::size_t>(axis)] : kUnknownDim;
    if (dim != kUnknownDim || rank != 3) return dim == kOpenDim;
    return axis == (HasFeaturesFirst(context, value) ? 2 : 1);
  });
}

// The elements under an AveragePool's window.
std::int64_t WindowLength(const HazardContext& context, NodeId node) {
  std::int64_t length = 1;
  const onnx::AttributeProto* kernel =
      FindAttribute(*context.graph().node(node).proto, "kernel_shape");
  if (kernel == nullptr) return length;
  for (const std::int64_t size : kernel->ints()) {
    length = BoundedLength(length * BoundedLength(size));
  }
  return length;
}

// How many elements make one of the result, as far as the model's shapes tell; at least 1.
std::int64_t ReducedLength(const HazardContext& context, NodeId node) {
  if (context.Op(node) == "AveragePool") return WindowLength(context, node);
  const auto shape = context.ShapeOf(context.Input(node, 0));
  if (!shape) return 1;
  const auto rank = static_cast<std::int64_t>(shape->size());
  std::vector<std::int64_t> axes;
  if (context.Op(node) == "GlobalAveragePool") {
    for (std::int64_t axis = 2; axis < rank; ++axis) axes.push_back(axis);
  } else {
    const auto named = AxesOf(context, node);
    if (!named) return 1;
    axes = *named;
    const bool none = axes.empty() && IntAttribute(*context.graph().node(node).proto,
                                                   "noop_with_empty_axes", 0) != 0;
    if (none) return 1;
    for (std::int64_t axis = 0; named->empty() && axis < rank; ++axis) axes.push_back(axis);
  }
  std::int64_t length = 1;
  for (std::int64_t axis : axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return 1;
    length = BoundedLength(length * BoundedLength((*shape)[static_cast<std::size_t>(axis)]));
  }
  return length;
}

// The length of the axis that CumSum runs along; nothing where it is open.
std::optional<std::int64_t> RunLength(const HazardContext& context, NodeId cumsum) {
  const auto shape = context.ShapeOf(context.Input(cumsum, 0));
  const auto axis = context.Scalar(context.Input(cumsum, 1));
  if (!shape || !axis) return std::nullopt;
  const auto rank = static_cast<std::int64_t>(shape->size());
  std::int64_t index = AxisOf(*axis);
  if (index < 0) index += rank;
  if (index < 0 || index >= rank) return std::nullopt;
  const std::int64_t length = (*shape)[static_cast<std::size_t>(index)];
  return length < 0 ? std::nullopt : std::optional<std::int64_t>(length);
}

void CheckCumSum(HazardContext& context, NodeId node) {
  const std::optional<std::int64_t> length = RunLength(context, node);
  if (length && static_cast<double>(*length) <= kHalfLargestInteger) return;
  context.Report(node, absl::StrCat("the running sum ", context.Quote(node),
                                    length ? absl::StrCat(" is ", *length, " elements long")
                                           : " has no known length",
                                    "; float16 adds up to 2048 ones and no more"));
}

// The node of a body that makes `state` from itself and something else by + or ×; else kNone.
NodeId AccumulatorOf(const HazardContext& context, ValueId before, ValueId after) {
  const NodeId node = context.Producer(context.Origin(after));
  if (!context.IsOneOf(node, {"Add", "Sub", "Mul", "Sum"})) return kNone;
  for (const ValueId input : context.graph().node(node).inputs) {
    if (input != kNone && context.Origin(input) == before) return node;
  }
  return kNone;
}

// Loop: the body takes (count, condition, states …) and gives (condition, states …, scans …).
// Scan: it takes (states …, slices …) and gives (states …, slices …).
void CheckBody(HazardContext& context, NodeId owner, ScopeId scope) {
  const Graph& graph = context.graph();
  const onnx::GraphProto& body = *graph.scope(scope).graph;
  const bool loop = context.Op(owner) == "Loop";
  const int first_input = loop ? 2 : 0;
  const int first_output = loop ? 1 : 0;
  const auto slices = static_cast<int>(std::clamp<std::int64_t>(
      IntAttribute(*graph.node(owner).proto, "num_scan_inputs", 0), 0, body.input_size()));
  const int states = body.input_size() - (loop ? 2 : slices);
  for (int i = 0; i < states && first_output + i < body.output_size(); ++i) {
    const ValueId before = graph.Find(scope, body.input(first_input + i).name());
    const ValueId after = graph.Find(scope, body.output(first_output + i).name());
    if (before == kNone || after == kNone || !context.IsFloat(before)) continue;
    const NodeId node = AccumulatorOf(context, before, after);
    if (node == kNone) continue;
    const std::string why =
        absl::StrCat("each turn's ", context.Quote(node), " is the ", context.Op(node), " of ",
                     context.QuoteValue(before), " and something else; roundings add up");
    context.Report(node, why);
    // What the loop carries must not be rounded between the turns either.
    context.Report(owner, why);
  }
}

}  // namespace

void FindLongReductions(HazardContext& context) {
  FindLongProducts(context);
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.Op(node) == "CumSum") CheckCumSum(context, node);
    const bool sums = context.IsOneOf(node, kSums);
    if (!sums && !context.IsOneOf(node, {"GlobalAveragePool", "AveragePool"})) continue;
    const std::int64_t length = ReducedLength(context, node);
    if (static_cast<double>(length) <= kHalfLargestInteger) {
      const bool pools = context.Op(node) == "AveragePool";
      if (!pools && ReducesPicture(context, node) && HasOpenPicture(context, node)) {
        const std::string why = absl::StrCat(context.Quote(node), " reduces the picture ",
                                             context.QuoteValue(context.Input(node, 0)),
                                             " of no known size to one; GPUs add in float16");
        context.Report(node, why);
        if (context.IsOneOf(node, {"ReduceSum", "ReduceL1"}))
          ReportUntilDivided(context, node, why);
      } else if (sums && ReducesSequence(context, node)) {
        const std::string why = absl::StrCat(context.Quote(node), " reduces an axis of ",
                                             context.QuoteValue(context.Input(node, 0)),
                                             " that has no known length; GPUs add in float16");
        context.Report(node, why);
        if (context.IsOneOf(node, {"ReduceSum", "ReduceL1"}))
          ReportUntilDivided(context, node, why);
      }
      continue;
    }
    const std::string why = absl::StrCat(context.Quote(node), " reduces ", length, " elements of ",
                                         context.QuoteValue(context.Input(node, 0)), " to one");
    context.Report(node, why);
    if (context.IsOneOf(node, {"ReduceSum", "ReduceL1"})) ReportUntilDivided(context, node, why);
  }
}

void FindAccumulatingLoops(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (!context.IsOneOf(node, {"Loop", "Scan"})) continue;
    for (const ScopeId body : context.graph().node(node).bodies) CheckBody(context, node, body);
  }
}

}  // namespace onnxquant
