// Of two operands, with broadcasting, and sums.
#include "lib/gradient/rules.h"

namespace onnxquant {
namespace {

std::string Add(NodeGradient& n) {
  if (n.wants(0)) n.GiveSummed(0, n.g);
  if (n.wants(1)) n.GiveSummed(1, n.g);
  return "";
}

std::string Sub(NodeGradient& n) {
  if (n.wants(0)) n.GiveSummed(0, n.g);
  if (n.wants(1)) n.GiveSummed(1, n.emit.Make("Neg", {n.g}));
  return "";
}

std::string Mul(NodeGradient& n) {
  if (n.wants(0)) n.GiveSummed(0, n.emit.Make("Mul", {n.g, n.in(1)}));
  if (n.wants(1)) n.GiveSummed(1, n.emit.Make("Mul", {n.g, n.in(0)}));
  return "";
}

std::string Div(NodeGradient& n) {
  const std::string quotient = n.emit.Make("Div", {n.g, n.in(1)});
  if (n.wants(0)) n.GiveSummed(0, quotient);
  if (n.wants(1)) {
    n.GiveSummed(1, n.emit.Make("Neg", {n.emit.Make("Mul", {quotient, n.out()})}));
  }
  return "";
}

std::string Pow(NodeGradient& n) {
  if (n.wants(1)) return "its exponent is computed";
  Emitter& emit = n.emit;
  const std::string exponent =
      emit.Make("Cast", {n.in(1)}, {{"to", std::int64_t{onnx::TensorProto::FLOAT}}});
  const std::string less = emit.Make("Pow", {n.in(0), emit.Make("Sub", {exponent, emit.Float(1)})});
  n.GiveSummed(0, emit.Make("Mul", {n.g, emit.Make("Mul", {exponent, less})}));
  return "";
}

std::string Neg(NodeGradient& n) {
  n.Give(0, n.emit.Make("Neg", {n.g}));
  return "";
}

// The sum's gradient, as often as there were elements.
std::string Spread(NodeGradient& n, const std::string& gradient) {
  if (n.Int("noop_with_empty_axes", 0) != 0) return "noop_with_empty_axes is set";
  Emitter& emit = n.emit;
  std::string axes;
  if (n.has(1)) axes = n.in(1);
  if (const onnx::AttributeProto* given = FindAttribute(n.node, "axes")) {
    axes = emit.Ints({given->ints().begin(), given->ints().end()});
  }
  std::string kept = gradient;
  // A sum of all elements has no axes left, and every shape takes it.
  if (n.Int("keepdims", 1) == 0 && !axes.empty()) kept = emit.Make("Unsqueeze", {gradient, axes});
  n.Give(0, emit.Make("Expand", {kept, emit.ShapeOf(n.in(0))}));
  return "";
}

std::string ReduceSum(NodeGradient& n) {
  return Spread(n, n.g);
}

std::string ReduceMean(NodeGradient& n) {
  Emitter& emit = n.emit;
  const auto size = [&](const std::string& value) {
    return emit.Make("Cast", {emit.Make("Size", {value})},
                     {{"to", std::int64_t{onnx::TensorProto::FLOAT}}});
  };
  const std::string count = emit.Make("Div", {size(n.in(0)), size(n.out())});
  return Spread(n, emit.Make("Div", {n.g, count}));
}

constexpr GradientRule kRules[] = {
    {"Add", Add},
    {"Sub", Sub},
    {"Mul", Mul},
    {"Div", Div},
    {"Pow", Pow},
    {"Neg", Neg},
    {"ReduceSum", ReduceSum},
    {"ReduceMean", ReduceMean},
};

}  // namespace

absl::Span<const GradientRule> ArithmeticRules() {
  return kRules;
}

}  // namespace onnxquant
