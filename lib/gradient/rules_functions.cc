// Of one operand, element by element, and of rows.
#include <cmath>

#include "lib/gradient/rules.h"

namespace onnxquant {
namespace {

// 2 / √π
constexpr float kErfSlope = 1.1283791670955126F;

std::string Same(NodeGradient& n) {
  n.Give(0, n.g);
  return "";
}

std::string Cast(NodeGradient& n) {
  // The gradient flows in float32 throughout; a half in between was checked to be none.
  return Same(n);
}

std::string Sqrt(NodeGradient& n) {
  n.Give(0, n.emit.Make("Div", {n.emit.Make("Mul", {n.g, n.emit.Float(0.5F)}), n.out()}));
  return "";
}

std::string Reciprocal(NodeGradient& n) {
  const std::string square = n.emit.Make("Mul", {n.out(), n.out()});
  n.Give(0, n.emit.Make("Neg", {n.emit.Make("Mul", {n.g, square})}));
  return "";
}

std::string Exp(NodeGradient& n) {
  n.Give(0, n.emit.Make("Mul", {n.g, n.out()}));
  return "";
}

std::string Log(NodeGradient& n) {
  n.Give(0, n.emit.Make("Div", {n.g, n.in(0)}));
  return "";
}

std::string Sigmoid(NodeGradient& n) {
  const std::string rest = n.emit.Make("Sub", {n.emit.Float(1), n.out()});
  n.Give(0, n.emit.Make("Mul", {n.g, n.emit.Make("Mul", {n.out(), rest})}));
  return "";
}

std::string Tanh(NodeGradient& n) {
  const std::string square = n.emit.Make("Mul", {n.out(), n.out()});
  n.Give(0, n.emit.Make("Mul", {n.g, n.emit.Make("Sub", {n.emit.Float(1), square})}));
  return "";
}

std::string Erf(NodeGradient& n) {
  const std::string square = n.emit.Make("Mul", {n.in(0), n.in(0)});
  const std::string bell = n.emit.Make("Exp", {n.emit.Make("Neg", {square})});
  n.Give(0, n.emit.Make("Mul", {n.g, n.emit.Make("Mul", {bell, n.emit.Float(kErfSlope)})}));
  return "";
}

std::string Relu(NodeGradient& n) {
  const std::string zero = n.emit.Float(0);
  n.Give(0, n.emit.Make("Where", {n.emit.Make("Greater", {n.in(0), zero}), n.g, zero}));
  return "";
}

std::string Softmax(NodeGradient& n) {
  Emitter& emit = n.emit;
  const std::string weighted = emit.Make("Mul", {n.g, n.out()});
  const std::string sum = emit.Reduce("ReduceSum", weighted, n.Int("axis", -1));
  n.Give(0, emit.Make("Sub", {weighted, emit.Make("Mul", {n.out(), sum})}));
  return "";
}

std::string LogSoftmax(NodeGradient& n) {
  Emitter& emit = n.emit;
  const std::string sum = emit.Reduce("ReduceSum", n.g, n.Int("axis", -1));
  n.Give(0, emit.Make("Sub", {n.g, emit.Make("Mul", {emit.Make("Exp", {n.out()}), sum})}));
  return "";
}

constexpr GradientRule kRules[] = {
    {"Identity", Same}, {"Cast", Cast}, {"Sqrt", Sqrt},       {"Reciprocal", Reciprocal},
    {"Exp", Exp},       {"Log", Log},   {"Sigmoid", Sigmoid}, {"Tanh", Tanh},
    {"Erf", Erf},       {"Relu", Relu}, {"Softmax", Softmax}, {"LogSoftmax", LogSoftmax},
};

}  // namespace

absl::Span<const GradientRule> FunctionRules() {
  return kRules;
}

}  // namespace onnxquant
