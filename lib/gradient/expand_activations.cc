#include "lib/gradient/expand.h"

namespace onnxquant {
namespace {

constexpr float kRootOfHalf = 0.70710678118654752F;
constexpr float kRootOfTwoOverPi = 0.79788456080286536F;
constexpr float kCubic = 0.044715F;

// x (1 + t) / 2
void GateHalf(FusedNode& n, const std::string& x, const std::string& t) {
  const std::string gate =
      n.emit.Make("Mul", {n.emit.Make("Add", {t, n.emit.Float(1)}), n.emit.Float(0.5F)});
  n.emit.MakeAs(n.out(), "Mul", {x, gate});
}

void Exact(FusedNode& n, const std::string& x) {
  GateHalf(n, x, n.emit.Make("Erf", {n.emit.Make("Mul", {x, n.emit.Float(kRootOfHalf)})}));
}

void WithTanh(FusedNode& n, const std::string& x) {
  Emitter& emit = n.emit;
  const std::string square = emit.Make("Mul", {x, x});
  const std::string slope =
      emit.Make("Add", {emit.Make("Mul", {square, emit.Float(kCubic)}), emit.Float(1)});
  const std::string inner =
      emit.Make("Mul", {emit.Make("Mul", {x, slope}), emit.Float(kRootOfTwoOverPi)});
  GateHalf(n, x, emit.Make("Tanh", {inner}));
}

std::string Biased(FusedNode& n) {
  return n.has(1) ? n.emit.Make("Add", {n.in(0), n.in(1)}) : n.in(0);
}

std::string Gelu(FusedNode& n) {
  const onnx::AttributeProto* approximate = FindAttribute(n.node, "approximate");
  if (approximate != nullptr && approximate->s() == "tanh") {
    WithTanh(n, n.in(0));
  } else {
    Exact(n, n.in(0));
  }
  return "";
}

std::string BiasGelu(FusedNode& n) {
  Exact(n, Biased(n));
  return "";
}

std::string FastGelu(FusedNode& n) {
  WithTanh(n, Biased(n));
  return "";
}

std::string QuickGelu(FusedNode& n) {
  const float alpha = n.Float("alpha", 1.702F);
  const std::string scaled = n.emit.Make("Mul", {n.in(0), n.emit.Float(alpha)});
  n.emit.MakeAs(n.out(), "Mul", {n.in(0), n.emit.Make("Sigmoid", {scaled})});
  return "";
}

constexpr Expansion kRows[] = {
    {"Gelu", Gelu},
    {"com.microsoft::Gelu", Gelu},
    {"com.microsoft::BiasGelu", BiasGelu},
    {"com.microsoft::FastGelu", FastGelu},
    {"com.microsoft::QuickGelu", QuickGelu},
};

}  // namespace

absl::Span<const Expansion> ActivationExpansions() {
  return kRows;
}

}  // namespace onnxquant
