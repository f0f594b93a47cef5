// What is known of numbers beforehand: how small, how large.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

#include "absl/strings/string_view.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Functions whose results no argument brings beyond a number.
struct Bounded {
  absl::string_view op;
  double magnitude = 0;
};
constexpr double kQuarterTurn = 1.5708;
constexpr Bounded kBounded[] = {{"Sigmoid", 1},
                                {"HardSigmoid", 1},
                                {"Tanh", 1},
                                {"Softsign", 1},
                                {"Sin", 1},
                                {"Cos", 1},
                                {"Erf", 1},
                                {"Softmax", 1},
                                {"Hardmax", 1},
                                {"Sign", 1},
                                {"Atan", kQuarterTurn},
                                {"Asin", kQuarterTurn},
                                {"Acos", 2 * kQuarterTurn}};

// What truth values and integers of eight bits come to as floats.
std::optional<double> LargestOf(ElementType type) {
  switch (type) {
    case ElementType::kBool:
      return 1;
    case ElementType::kInt8:
      return 128;
    case ElementType::kUint8:
      return 255;
    default:
      return std::nullopt;
  }
}

std::optional<double> Computed(const std::string& op, double a, double b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div") return a / b;
  if (op == "Pow") return std::pow(a, b);
  return std::nullopt;
}

std::optional<double> Computed(const std::string& op, double a) {
  if (op == "Exp") return std::exp(a);
  if (op == "Neg") return -a;
  if (op == "Sqrt") return std::sqrt(a);
  if (op == "Reciprocal") return 1.0 / a;
  return std::nullopt;
}

}  // namespace

std::optional<double> HazardContext::Fixed(ValueId value, std::vector<NodeId>& makers,
                                           int depth) const {
  const ValueId origin = Origin(value);
  if (origin == kNone || depth == 0) return std::nullopt;
  const auto numbers = Constant(origin);
  const NodeId node = Producer(origin);
  std::optional<double> result;
  if (numbers && !numbers->empty()) {
    const auto [least, most] = std::minmax_element(numbers->begin(), numbers->end());
    if (*least > 0.0 || *least == *most) result = *least;
  } else if (node != kNone) {
    const auto a = Fixed(Input(node, 0), makers, depth - 1);
    const ValueId second = Input(node, 1);
    const auto b = a && second != kNone ? Fixed(second, makers, depth - 1) : std::nullopt;
    if (a && second == kNone) result = Computed(Op(node), *a);
    if (a && b) result = Computed(Op(node), *a, *b);
  }
  if (!result) return std::nullopt;
  // What moves it moves nothing else; an initializer each reader has in its own type.
  for (ValueId moved = value; moved != origin; moved = Input(Producer(moved), 0)) {
    makers.push_back(Producer(moved));
  }
  if (node != kNone && Op(node) != "Constant") makers.push_back(node);
  return result;
}

std::optional<double> HazardContext::LowerBound(ValueId value, int depth) const {
  if (value == kNone || depth == 0) return std::nullopt;
  if (const auto numbers = Constant(value); numbers && !numbers->empty()) {
    return *std::min_element(numbers->begin(), numbers->end());
  }
  const NodeId node = Producer(Origin(value));
  if (node == kNone) return std::nullopt;
  const auto bound = [&](int input) { return LowerBound(Input(node, input), depth - 1); };
  constexpr absl::string_view kOnes[] = {"Shape", "Size", "Cosh"};
  constexpr absl::string_view kNotNegative[] = {
      "Exp",      "Relu",    "Abs",    "Sigmoid", "Softmax",         "Softplus",   "ReduceL1",
      "ReduceL2", "NonZero", "ArgMax", "ArgMin",  "ReduceSumSquare", "HardSigmoid"};
  constexpr absl::string_view kKeeps[] = {
      "ReduceMean",  "ReduceMax", "ReduceMin", "GlobalAveragePool",
      "AveragePool", "MaxPool",   "Ceil"};
  const std::string& op = Op(node);
  if (IsOneOf(node, kOnes)) return 1.0;
  if (IsOneOf(node, kNotNegative)) return 0.0;
  if (IsSquare(node)) return 0.0;
  if (op == "Clip") return ClipLimit(node, "min", 1);
  if (op == "Sqrt") {
    const auto inner = bound(0);
    return inner && *inner >= 0.0 ? std::sqrt(*inner) : 0.0;
  }
  if (op == "ReduceSum") {
    const auto inner = bound(0);
    return inner && *inner >= 0.0 ? inner : std::nullopt;
  }
  if (op == "Add" || op == "Mul" || op == "Max") {
    const auto a = bound(0);
    const auto b = bound(1);
    if (op == "Max") return a && b ? std::optional<double>(std::max(*a, *b)) : (a ? a : b);
    if (!a || !b) return std::nullopt;
    if (op == "Add") return *a + *b;
    return *a >= 0.0 && *b >= 0.0 ? std::optional<double>(*a * *b) : std::nullopt;
  }
  return IsOneOf(node, kKeeps) ? bound(0) : std::nullopt;
}

std::optional<double> HazardContext::Magnitude(ValueId value, int depth) const {
  if (value == kNone || depth == 0) return std::nullopt;
  if (const auto numbers = Constant(value); numbers && !numbers->empty()) {
    double largest = 0;
    for (const double number : *numbers) largest = std::max(largest, std::abs(number));
    return largest;
  }
  value = Origin(value);
  if (const auto largest = LargestOf(TypeOf(value))) return largest;
  const NodeId node = Producer(value);
  if (node == kNone) return std::nullopt;
  const auto bound = [&](int input) { return Magnitude(Input(node, input), depth - 1); };
  const std::string& op = Op(node);
  for (const Bounded& function : kBounded) {
    if (op == function.op) return function.magnitude;
  }
  if (op == "Clip") {
    const auto least = ClipLimit(node, "min", 1);
    const auto most = ClipLimit(node, "max", 2);
    if (!least || !most) return std::nullopt;
    return std::max(std::abs(*least), std::abs(*most));
  }
  if (op == "Div") {
    const auto divisor = Constant(Input(node, 1));
    const auto inner = bound(0);
    if (!divisor || divisor->empty() || !inner) return std::nullopt;
    double least = std::numeric_limits<double>::infinity();
    for (const double number : *divisor) least = std::min(least, std::abs(number));
    return least > 0 ? std::optional<double>(*inner / least) : std::nullopt;
  }
  constexpr absl::string_view kKeeps[] = {"Neg",       "Abs",       "Relu",    "ReduceMean",
                                          "ReduceMax", "ReduceMin", "MaxPool", "AveragePool"};
  if (IsOneOf(node, kKeeps)) return bound(0);
  const bool product = op == "Mul";
  const bool sum = op == "Add" || op == "Sub" || op == "Sum";
  if (!product && !sum && !IsOneOf(node, {"Concat", "Max", "Min", "Where"})) return std::nullopt;
  double result = product ? 1 : 0;
  constexpr int kMostInputs = 3;  // each of which may have as many
  const auto count = static_cast<int>(graph_.node(node).inputs.size());
  if (count > kMostInputs) return std::nullopt;
  for (int input = op == "Where" ? 1 : 0; input < count; ++input) {
    const auto one = bound(input);
    if (!one) return std::nullopt;
    result = product ? result * *one : sum ? result + *one : std::max(result, *one);
  }
  return result;
}

}  // namespace onnxquant
