// long_reduction: products of two computed matrices along an axis that is long, and what becomes of
// such sums until something divides them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Whether the value is what a Softmax made, possibly dropped, masked or moved: its rows sum to 1.
bool AreShares(const HazardContext& context, ValueId value) {
  constexpr int kFewSteps = 8;
  for (int i = 0; i < kFewSteps && value != kNone; ++i) {
    const NodeId node = context.Producer(value);
    if (context.IsOneOf(node, {"Softmax", "OneHot"})) return true;
    // One that is spelt out: exponentials by their sum.
    const NodeId sum = context.Op(node) == "Div"
                           ? context.Producer(context.Origin(context.Input(node, 1)))
                           : kNone;
    if (context.Op(sum) == "ReduceSum" &&
        context.Origin(context.Input(sum, 0)) == context.Origin(context.Input(node, 0))) {
      return true;
    }
    const bool selects = context.Op(node) == "Where";
    if (!selects && !context.IsMover(node) && !context.IsOneOf(node, {"Dropout", "Mul", "Div"})) {
      return false;
    }
    const int first = selects ? 1 : 0;
    value = context.Input(node, context.IsConstant(context.Input(node, first)) ? first + 1 : first);
  }
  return false;
}

// The axes of an operand that the product sums over; none where an equation says it in another way.
std::vector<std::size_t> SummedAxes(const HazardContext& context, NodeId node, int input,
                                    std::size_t rank) {
  const onnx::NodeProto& proto = *context.graph().node(node).proto;
  std::vector<std::size_t> axes;
  if (context.Op(node) == "Einsum") {
    const onnx::AttributeProto* equation = FindAttribute(proto, "equation");
    if (equation == nullptr) return axes;
    // An ellipsis stands for axes of both; of an operand's it is as long as its rank says.
    const std::string text = absl::StrReplaceAll(equation->s(), {{" ", ""}, {"...", "."}});
    const std::vector<std::string> sides = absl::StrSplit(text, "->");
    const std::vector<std::string> terms = absl::StrSplit(sides.front(), ',');
    if (sides.size() != 2 || terms.size() != 2) return axes;
    std::string letters = terms[static_cast<std::size_t>(input)];
    const std::size_t dots = letters.find('.');
    if (dots != std::string::npos) {
      if (rank + 1 < letters.size()) return axes;
      letters.replace(dots, 1, rank + 1 - letters.size(), '.');
    }
    for (std::size_t axis = 0; axis < std::min(rank, letters.size()); ++axis) {
      if (sides.back().find(letters[axis]) == std::string::npos) axes.push_back(axis);
    }
    return axes;
  }
  if (rank < 2) return axes;
  const bool turned =
      context.Op(node) == "Gemm" && IntAttribute(proto, input == 0 ? "transA" : "transB", 0) != 0;
  axes.push_back((input == 0) != turned ? rank - 1 : rank - 2);
  return axes;
}

// Whether a Reshape's size for the axis is "-1", or computed of several sizes, so that it may make
// one axis of some. Nothing where the size is that of one axis before.
bool MayJoinAxes(const HazardContext& context, NodeId reshape, std::size_t axis) {
  const ValueId shape = context.Input(reshape, 1);
  const auto joins = [](double size) { return size == -1; };
  if (const auto sizes = context.Constant(shape)) {
    return axis < sizes->size() && joins((*sizes)[axis]);
  }
  const NodeId concat = context.Producer(shape);
  if (context.Op(concat) != "Concat") return false;
  std::size_t at = 0;
  for (const ValueId part : context.graph().node(concat).inputs) {
    const auto sizes = context.Constant(part);
    const std::size_t count = sizes ? sizes->size() : 1;
    if (axis >= at + count) {
      at += count;
      continue;
    }
    if (sizes) return joins((*sizes)[axis - at]);
    return context.IsOneOf(context.Producer(context.Origin(part)), {"Mul", "ReduceProd"});
  }
  return false;
}

// Whether a Reshape makes the axis of several, one of which is open, as the batch always is.
bool JoinsOpenAxes(const HazardContext& context, NodeId reshape, std::size_t axis) {
  const auto before = context.ShapeOf(context.Input(reshape, 0));
  if (!before || !MayJoinAxes(context, reshape, axis)) return false;
  return std::find(std::next(before->begin(), std::min<std::ptrdiff_t>(1, std::ssize(*before))),
                   before->end(), kOpenDim) != before->end();
}

// Whether the axis is long, or the model leaves its length open, seen through what keeps axes.
bool IsLongAxis(const HazardContext& context, ValueId value, std::size_t axis) {
  constexpr int kFewSteps = 8;
  for (int i = 0; i < kFewSteps && value != kNone; ++i) {
    const auto shape = context.ShapeOf(value);
    const std::int64_t dim = shape && axis < shape->size() ? (*shape)[axis] : kUnknownDim;
    if (dim != kUnknownDim) {
      return dim == kOpenDim || static_cast<double>(dim) > kHalfLargestInteger;
    }
    const NodeId node = context.Producer(value);
    constexpr absl::string_view kKeeps[] = {"Cast", "Identity", "Relu", "Elu",  "Exp",
                                            "Add",  "Mul",      "Div",  "Clip", "Softplus"};
    if (context.Op(node) == "Reshape") return JoinsOpenAxes(context, node, axis);
    if (context.Op(node) == "Transpose") {
      const onnx::AttributeProto* perm = FindAttribute(*context.graph().node(node).proto, "perm");
      if (perm == nullptr || axis >= static_cast<std::size_t>(perm->ints_size())) return false;
      axis =
          static_cast<std::size_t>(std::max<std::int64_t>(0, perm->ints(static_cast<int>(axis))));
    } else if (!context.IsOneOf(node, kKeeps)) {
      return false;
    }
    const bool second = context.IsConstant(context.Input(node, 0));
    value = context.Input(node, second ? 1 : 0);
  }
  return false;
}

// Linear attention's sums.
bool MultipliesSequence(const HazardContext& context, NodeId node) {
  if (!context.IsOneOf(node, {"MatMul", "Gemm", "Einsum"})) return false;
  // Other Gemms are layers whose weights are computed, or given.
  const bool layer = context.Op(node) == "Gemm" &&
                     IntAttribute(*context.graph().node(node).proto, "transA", 0) == 0;
  if (layer) return false;
  const ValueId operands[] = {context.Input(node, 0), context.Input(node, 1)};
  bool sequence = false;
  for (const int input : {0, 1}) {
    const ValueId operand = operands[input];
    if (operand == kNone || context.IsConstant(operand)) return false;
    const auto shape = context.ShapeOf(operand);
    if (!shape) continue;
    for (const std::size_t axis : SummedAxes(context, node, input, shape->size())) {
      sequence = sequence || IsLongAxis(context, operand, axis);
    }
  }
  return sequence && !AreShares(context, operands[0]) && !AreShares(context, operands[1]);
}

}  // namespace

void ReportUntilDivided(HazardContext& context, NodeId sum, const std::string& why) {
  constexpr int kFewSteps = 5;
  context.Follow(
      context.Output(sum), kFewSteps, [&](const Use& use, const HazardContext::Path& path) {
        constexpr absl::string_view kAsLarge[] = {"Add", "Sub", "Mul", "Max", "Clip", "ReduceSum"};
        // By a quotient: 1 / n is too small where n is too large.
        const NodeId factor = context.Op(use.node) == "Mul"
                                  ? context.Producer(context.Input(use.node, 1 - use.input))
                                  : kNone;
        const bool shrinks = context.Op(factor) == "Reciprocal";
        if (shrinks || context.IsOneOf(use.node, {"Div", "Reciprocal", "Sqrt", "Log"})) {
          context.Report(path, why);
          context.Report(use.node, why);
          return false;
        }
        const bool product = context.IsOneOf(use.node, {"MatMul", "Einsum", "Gemm"}) &&
                             use.input < 2 &&
                             !context.IsConstant(context.Input(use.node, 1 - use.input));
        return product || context.IsMover(use.node) || context.IsOneOf(use.node, kAsLarge);
      });
}

void FindLongProducts(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (!MultipliesSequence(context, node)) continue;
    const std::string why =
        absl::StrCat(context.Quote(node),
                     " adds along an axis that is long, or of no known length, and no softmax "
                     "makes shares of what it adds");
    context.Report(node, why);
    ReportUntilDivided(context, node, why);
  }
}

}  // namespace onnxquant
