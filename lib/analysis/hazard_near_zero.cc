// near_zero: functions that are steep at zero, of values that may be zero or become it.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr int kLongestWay = 10;  // from a root or logarithm back to squares

// Whether the value is a whole number from an integer tensor (a size, a count): zero means zero.
bool IsWhole(const HazardContext& context, ValueId value) {
  for (int i = 0; i < 8 && value != kNone; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone) return false;
    const ValueId input = context.Input(node, 0);
    if (context.Op(node) == "Cast" && !context.IsFloat(input)) return true;
    if (!context.IsMover(node) && !context.IsOneOf(node, {"Sqrt", "Mul", "Div"})) return false;
    value = context.Constant(input).has_value() ? context.Input(node, 1) : input;
  }
  return false;
}

// The inputs through which a power (a sum of squares, possibly weighted) may reach the node's
// result; none where the result is something else.
std::vector<ValueId> PowersOf(const HazardContext& context, NodeId node) {
  const ValueId first = context.Input(node, 0);
  const ValueId second = context.Input(node, 1);
  if (context.IsMover(node) || context.IsOneOf(node, {"ReduceSum", "ReduceMean", "Clip"})) {
    return {first};
  }
  if (context.Op(node) == "Add") return {first, second};
  if (context.IsOneOf(node, {"Max", "Mul", "MatMul"})) {
    if (context.IsConstant(second)) return {first};
    if (context.IsConstant(first)) return {second};
  }
  if (context.Op(node) == "Div" && context.IsConstant(second)) return {first};
  return {};
}

// The squares that a root or logarithm leads back to, and the nodes on the way.
struct Squares {
  std::vector<NodeId> squares;
  std::vector<NodeId> way;
};

bool FindSquares(const HazardContext& context, ValueId value, int depth, Squares& found) {
  const NodeId node = context.Producer(value);
  if (node == kNone || depth == 0) return false;
  const bool square = context.IsSquare(node) || context.IsProductWithItself(node);
  bool any = square;
  if (!square) {
    for (const ValueId input : PowersOf(context, node)) {
      any = FindSquares(context, input, depth - 1, found) || any;
    }
  }
  if (any) (square ? found.squares : found.way).push_back(node);
  return any;
}

bool HasConstantWeight(const HazardContext& context, NodeId node) {
  return context.IsOneOf(node, {"Conv", "MatMul", "Gemm"}) &&
         context.IsConstant(context.Input(node, 1));
}

// The Conv or product with a constant that makes what is squared; kNone where there is none.
NodeId FiltersOf(const HazardContext& context, NodeId square) {
  const NodeId source = context.Producer(context.Origin(context.Input(square, 0)));
  return HasConstantWeight(context, source) ? source : kNone;
}

// In float16 squares vanish below 0.0002, long before their root would, and overflow beyond 256. A
// logarithm is taken of what spans many orders of magnitude, so its squares' operands do as well:
// the filters or the Fourier transform that make them (by Conv or MatMul with constants) are part
// of it.
void ReportSquares(HazardContext& context, NodeId steep, const std::string& why) {
  Squares found;
  if (!FindSquares(context, context.Input(steep, 0), kLongestWay, found)) return;
  context.Report(steep, why);
  context.Report(found.way, why);
  context.Report(found.squares, why);
  if (context.Op(steep) != "Log") return;
  for (const NodeId square : found.squares) {
    const NodeId filters = FiltersOf(context, square);
    if (filters != kNone) context.Report(filters, why);
  }
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
    if (!context.IsFloat(value) || context.Constant(value) || IsWhole(context, value)) continue;
    const std::optional<double> bound = context.LowerBound(value);
    // Between zero and the smallest normal number small_eps has its say, but not of squares.
    if (bound && *bound > 0.0) {
      if (context.Op(node) == "Log") {
        ReportSquares(context, node,
                      absl::StrCat("Log ", context.Quote(node),
                                   " is taken of a power; squares overflow float16 beyond 256 and "
                                   "vanish below 0.0002"));
      }
      continue;
    }
    const std::string why =
        absl::StrCat(context.Op(node), " reads ", context.QuoteValue(value),
                     ", which nothing keeps from zero; float16 rounds what is below 3e-08 to it");
    context.Report(node, why);
    ReportSquares(context, node, why);
  }
}

namespace {

// Those that read a magnitude as it is, before anything compresses its range.
void ReportReadersOfMagnitude(HazardContext& context, NodeId root) {
  constexpr int kFewSteps = 6;
  context.Follow(
      context.Output(root), kFewSteps, [&](const Use& use, const HazardContext::Path& /*path*/) {
        if (HasConstantWeight(context, use.node) && use.input == 0) {
          context.Report(use.node, absl::StrCat("reads the magnitude ", context.Quote(root),
                                                ", in which quiet and loud lie orders of magnitude "
                                                "apart; activations of 8 bits have one step for "
                                                "all"));
        }
        return context.IsMover(use.node) || context.IsOneOf(use.node, {"Pad", "Concat"});
      });
}

}  // namespace

// What a norm squares, and divides, is none.
void FindSpectra(HazardContext& context) {
  const auto is_only_squared = [&context](NodeId square) {
    const absl::Span<const Use> uses = context.graph().value(context.Input(square, 0)).uses;
    return std::all_of(uses.begin(), uses.end(),
                       [&context](const Use& use) { return context.IsSquare(use.node); });
  };
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (!context.IsOneOf(node, {"Log", "Sqrt"})) continue;
    Squares found;
    if (!FindSquares(context, context.Input(node, 0), kLongestWay, found)) continue;
    const std::string why =
        absl::StrCat(context.Op(node), " ", context.Quote(node),
                     " is taken of the power of what it makes, in which quiet and loud lie orders "
                     "of magnitude apart; activations of 8 bits have one step for all");
    bool spectrum = false;
    for (const NodeId square : found.squares) {
      const NodeId filters = FiltersOf(context, square);
      if (filters == kNone || !is_only_squared(square)) continue;
      spectrum = true;
      context.Report(filters, why);
    }
    if (!spectrum) continue;
    for (const NodeId on_the_way : found.way) {
      if (HasConstantWeight(context, on_the_way)) context.Report(on_the_way, why);
    }
    if (context.Op(node) == "Sqrt") ReportReadersOfMagnitude(context, node);
  }
}

}  // namespace onnxquant
