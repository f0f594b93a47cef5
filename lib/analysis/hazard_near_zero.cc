// near_zero: functions that are steep at zero, of values that may be zero or become it.
#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Whether the value is a whole number from an integer tensor (a size, a count): zero means zero.
bool IsWhole(const HazardContext& context, ValueId value) {
  for (int i = 0; i < 8 && value != kNone; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone) return false;
    const ValueId input = context.Input(node, 0);
    if (context.Op(node) == "Cast" && !context.IsFloat32(input)) return true;
    if (!context.IsMover(node) && !context.IsOneOf(node, {"Sqrt", "Mul", "Div"})) return false;
    value = context.Constant(input).has_value() ? context.Input(node, 1) : input;
  }
  return false;
}

// The squares that a root's or logarithm's argument is the sum of: in float16 they vanish below
// 0.0002, long before the root would.
void ReportSquares(HazardContext& context, ValueId value, int depth, const std::string& why) {
  const NodeId node = context.Producer(value);
  if (node == kNone || depth == 0) return;
  const ValueId first = context.Input(node, 0);
  const bool pow = context.Op(node) == "Pow" && context.Scalar(context.Input(node, 1)) == 2.0;
  if (pow || (context.Op(node) == "Mul" && first == context.Input(node, 1))) {
    context.Report(node, why);
  } else if (context.Op(node) == "Add") {
    context.Report(node, why);
    ReportSquares(context, first, depth - 1, why);
    ReportSquares(context, context.Input(node, 1), depth - 1, why);
  } else if (context.Op(node) == "ReduceSum" || context.IsMover(node)) {
    context.Report(node, why);
    ReportSquares(context, first, depth - 1, why);
  }
}

// Whether a chain of at most `depth` Adds, sums and moves leads back to a square.
bool SumsSquares(const HazardContext& context, ValueId value, int depth) {
  const NodeId node = context.Producer(value);
  if (node == kNone || depth == 0) return false;
  const ValueId first = context.Input(node, 0);
  if (context.Op(node) == "Pow") return context.Scalar(context.Input(node, 1)) == 2.0;
  if (context.Op(node) == "Mul") return first == context.Input(node, 1);
  if (context.Op(node) == "Add") {
    return SumsSquares(context, first, depth - 1) ||
           SumsSquares(context, context.Input(node, 1), depth - 1);
  }
  const bool passes = context.Op(node) == "ReduceSum" || context.IsMover(node);
  return passes && SumsSquares(context, first, depth - 1);
}

bool IsSteepAtZero(const HazardContext& context, NodeId node) {
  if (context.IsOneOf(node, {"Log", "Sqrt", "Reciprocal"})) return true;
  if (context.Op(node) != "Pow") return false;
  const auto exponent = context.Scalar(context.Input(node, 1));
  return exponent && (*exponent < 0.0 || *exponent == 0.5);
}

}  // namespace

void FindNearZero(HazardContext& context) {
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (!IsSteepAtZero(context, node)) continue;
    const ValueId value = context.Input(node, 0);
    if (!context.IsFloat32(value) || context.Constant(value) || IsWhole(context, value)) continue;
    const std::optional<double> bound = context.LowerBound(value);
    // Between zero and the smallest normal number small_eps has its say.
    if (bound && *bound > 0.0) continue;
    const std::string why =
        absl::StrCat(context.Op(node), " reads ", context.QuoteValue(value),
                     ", which nothing keeps from zero; float16 rounds what is below 3e-08 to it");
    context.Report(node, why);
    if (SumsSquares(context, value, 4)) ReportSquares(context, value, 4, why);
  }
}

}  // namespace onnxquant
