// exp_sum: exponentials that are summed, or divided by each other.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr double kLargestExponent = 11.0;  // exp(11.09) is beyond float16
constexpr int kLongestWay = 8;

// Whether the value is x - max(x): its exponentials lie between 0 and 1.
bool IsBelowZero(const HazardContext& context, ValueId value) {
  const NodeId sub = context.Producer(value);
  if (context.Op(sub) != "Sub") return false;
  NodeId max = context.Producer(context.Origin(context.Input(sub, 1)));
  // The maximum of nothing may have been given a value.
  if (context.Op(max) == "Max" && context.Scalar(context.Input(max, 0))) {
    max = context.Producer(context.Origin(context.Input(max, 1)));
  }
  return context.Op(max) == "ReduceMax";
}

// e^x, or another positive number to the power of x.
struct Exponential {
  ValueId exponent = kNone;
  double scale = 1;  // of the exponent, for the base e
};

std::optional<Exponential> ExponentialAt(const HazardContext& context, NodeId node) {
  Exponential found;
  if (context.Op(node) == "Exp") {
    found.exponent = context.Input(node, 0);
  } else if (context.Op(node) == "Pow") {
    const auto base = context.Scalar(context.Input(node, 0));
    if (!base || *base <= 0.0 || *base == 1.0) return std::nullopt;
    found = {context.Input(node, 1), std::log(*base)};
  }
  if (found.exponent == kNone || context.IsConstant(found.exponent)) return std::nullopt;
  return found;
}

bool MayOverflow(const HazardContext& context, NodeId exp) {
  const auto [exponent, scale] = *ExponentialAt(context, exp);
  if (scale > 0 && IsBelowZero(context, exponent)) return false;
  const std::optional<double> bound = context.Magnitude(exponent);
  if (bound && *bound * std::abs(scale) <= kLargestExponent) return false;
  const NodeId neg = context.Producer(context.Origin(exponent));
  const auto least = context.Op(neg) == "Neg" ? context.LowerBound(context.Input(neg, 0))
                                              : std::optional<double>();
  return !least || *least < -kLargestExponent;
}

// Whether a product with the constant sums up: a row or column of weights, or a matrix of nothing
// but zeros and one other number. Any other is a layer's.
bool SumsUp(const HazardContext& context, ValueId weights) {
  if (!context.IsConstant(weights)) return true;
  const auto shape = context.ShapeOf(context.Origin(weights));
  const auto is_one = [](std::int64_t dim) { return dim == 1; };
  if (shape && (shape->size() < 2 || std::any_of(shape->end() - 2, shape->end(), is_one))) {
    return true;
  }
  const auto numbers = context.Constant(weights);
  if (!numbers || numbers->empty()) return false;
  const double largest = *std::max_element(numbers->begin(), numbers->end());
  return std::all_of(numbers->begin(), numbers->end(),
                     [largest](double number) { return number == 0.0 || number == largest; });
}

// What becomes of exponentials until they are normalized. Products, sums of several, and what
// moves or selects them are exponentials still; a sum of one and something else may be divided by
// another such, and is none where it is summed.
class ExponentialFinder {
 public:
  explicit ExponentialFinder(HazardContext& context)
      : context_(context),
        known_(context.graph().values().size()),
        reported_(context.graph().nodes().size(), false) {}

  void Run() {
    for (const NodeId node : context_.graph().order()) {
      if (!IsEnd(node)) Learn(node);
    }
  }

 private:
  struct Knowledge {
    int length = 0;        // of the way from the exponential; 0: there is none
    bool inverse = false;  // something divided by exponentials
    bool several = false;  // a sum
    bool mixed = false;    // of those and something else
    NodeId exp = kNone;
  };

  const Knowledge& Of(ValueId value) const {
    static const Knowledge none;
    return value == kNone ? none : known_[value];
  }
  bool IsExponential(ValueId value) const { return Of(value).length > 0 && !Of(value).inverse; }

  void Set(NodeId node, Knowledge knowledge) {
    if (knowledge.length > kLongestWay) return;
    for (const ValueId output : context_.graph().node(node).outputs) {
      if (output != kNone) known_[output] = knowledge;
    }
  }

  void Learn(NodeId node) {
    const ValueId first = context_.Input(node, 0);
    const ValueId second = context_.Input(node, 1);
    if (ExponentialAt(context_, node)) {
      Set(node, {.length = 1, .exp = node});
      return;
    }
    ValueIds inputs = context_.graph().node(node).inputs;
    if (context_.Op(node) == "Where") {
      inputs = inputs.subspan(std::min<std::size_t>(1, inputs.size()));  // the condition selects
    }
    const auto is_exponential = [this](ValueId value) { return IsExponential(value); };
    const bool any = std::any_of(inputs.begin(), inputs.end(), is_exponential);
    const bool all = std::all_of(inputs.begin(), inputs.end(), [&](ValueId value) {
      return IsExponential(value) || context_.IsConstant(value);
    });
    Knowledge next;
    for (const ValueId input : inputs) {
      if (Of(input).length > next.length) next = Of(input);
    }
    ++next.length;
    const bool inverts =
        context_.Op(node) == "Reciprocal"
            ? IsExponential(first)
            : context_.Op(node) == "Div" && !IsExponential(first) && IsExponential(second);
    if (inverts) {
      next.inverse = next.several;  // 1 / exp(x) is exp(-x)
      Set(node, next);
    } else if ((context_.IsMover(node) && Of(first).length > 0) ||
               (any && (context_.IsOneOf(node, {"Mul", "Concat", "CumSum"}) ||
                        (context_.Op(node) == "Div" && IsExponential(first))))) {
      Set(node, next);
    } else if (any && all &&
               context_.IsOneOf(node,
                                {"Add", "Sub", "Sum", "Where", "Neg", "Pow", "Max", "Clip"})) {
      next.several = next.several || context_.IsOneOf(node, {"Add", "Sub", "Sum"});
      Set(node, next);
    } else if (any && (IsSum(node) || context_.IsOneOf(node, {"Add", "Sub"}))) {
      next.mixed = next.mixed || !IsSum(node);
      next.several = true;
      Set(node, next);
    }
  }

  bool IsSum(NodeId node) const {
    if (context_.IsOneOf(
            node, {"ReduceSum", "ReduceMean", "ReduceL1", "AveragePool", "GlobalAveragePool"})) {
      return true;
    }
    if (IsScatter(node)) {
      const auto* reduction = FindAttribute(*context_.graph().node(node).proto, "reduction");
      return reduction != nullptr && reduction->s() == "add";
    }
    // Weights of one kind or another times values.
    return context_.IsOneOf(node, {"MatMul", "Gemm", "Einsum"}) &&
           SumsUp(context_, context_.Input(node, 0)) && SumsUp(context_, context_.Input(node, 1));
  }

  // Sums those up that have one place, as the edges of a graph that lead to one node do.
  bool IsScatter(NodeId node) const {
    return context_.IsOneOf(node, {"ScatterElements", "ScatterND"});
  }

  // Whether the exponentials are combined here; what they lead to then is none.
  bool IsEnd(NodeId node) {
    const ValueId first = context_.Input(node, IsScatter(node) ? 2 : 0);
    const ValueId second = context_.Input(node, 1);
    const Knowledge &a = Of(first), &b = Of(second);
    const std::string& op = context_.Op(node);
    const bool ratio = (op == "Div" && IsExponential(first) && IsExponential(second)) ||
                       (op == "Mul" && a.length > 0 && b.length > 0 && a.inverse != b.inverse);
    const bool logarithm = op == "ReduceLogSum"
                               ? IsExponential(first)
                               : op == "Log" && IsExponential(first) && a.several && !a.mixed;
    const bool divided = op == "Div" && !IsExponential(first) && IsExponential(second) &&
                         b.several && MadeBySum(second);
    const bool summed = (IsExponential(first) && !a.mixed) || (IsExponential(second) && !b.mixed);
    if (ratio || logarithm) {
      Report(node, a.exp == kNone ? b.exp : a.exp);
      return true;
    }
    if (divided || (IsSum(node) && summed)) {
      Report(node, IsExponential(first) ? a.exp : b.exp);
    }
    return false;
  }

  // Whether a reduction is among what makes the value.
  bool MadeBySum(ValueId value) const {
    for (int i = 0; i < kLongestWay; ++i) {
      const NodeId node = context_.Producer(value);
      if (node == kNone) return false;
      if (IsSum(node)) return true;
      value = context_.Input(node, 0);
    }
    return false;
  }

  void Report(NodeId end, NodeId exp) {
    const std::string why = absl::StrCat(
        context_.Quote(end), " combines the exponentials ", context_.Quote(exp),
        MayOverflow(context_, exp)
            ? ", which overflow float16 above 11.09: nothing subtracts the maximum first"
            : "; float16 loses the small ones");
    std::vector<NodeId> open = {end};
    while (!open.empty()) {
      const NodeId node = open.back();
      open.pop_back();
      context_.Report(node, why);
      for (const ValueId input : context_.graph().node(node).inputs) {
        if (Of(input).length == 0) continue;
        const NodeId maker = context_.Producer(input);
        if (maker == kNone || reported_[maker]) continue;
        reported_[maker] = true;
        open.push_back(maker);
      }
    }
  }

  HazardContext& context_;
  IdVector<Knowledge> known_;  // by ValueId
  IdVector<bool> reported_;    // by NodeId
};

}  // namespace

void FindExpSums(HazardContext& context) {
  const auto& nodes = context.graph().nodes();
  const bool any = std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
    return node.proto->op_type() == "Exp" || node.proto->op_type() == "Pow";
  });
  if (any) ExponentialFinder(context).Run();
  for (NodeId node = 0; node < context.NodeCount(); ++node) {
    if (context.Op(node) == "ReduceLogSumExp") {
      context.Report(node, absl::StrCat(context.Quote(node),
                                        " sums exponentials; float16 loses the small ones"));
    }
  }
}

}  // namespace onnxquant
