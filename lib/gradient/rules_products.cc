// Of matrices.
#include "lib/gradient/rules.h"

namespace onnxquant {
namespace {

// a b, with the last two axes of either swapped. ONNX Runtime's own operator reads a weight as it
// lies, so that there need not be a second copy of it.
std::string Multiply(Emitter& emit, const std::string& a, bool turn_a, const std::string& b,
                     bool turn_b) {
  if (!turn_a && !turn_b) return emit.Make("MatMul", {a, b});
  return emit.Make("ms.FusedMatMul", {a, b},
                   {{"transA", std::int64_t{turn_a}}, {"transB", std::int64_t{turn_b}}});
}

std::string MatMul(NodeGradient& n) {
  Emitter& emit = n.emit;
  if (n.wants(0)) {
    const std::string table = n.TransposedFrom(1);
    const std::string gradient = table.empty() ? Multiply(emit, n.g, false, n.in(1), true)
                                               : Multiply(emit, n.g, false, table, false);
    n.Give(0, n.IsConstantMatrix(1) || !table.empty() ? gradient : emit.SumTo(gradient, n.in(0)));
  }
  if (n.wants(1)) n.Give(1, emit.SumTo(Multiply(emit, n.in(0), true, n.g, false), n.in(1)));
  return "";
}

std::string Gemm(NodeGradient& n) {
  Emitter& emit = n.emit;
  const bool turned[] = {n.Int("transA", 0) != 0, n.Int("transB", 0) != 0};
  const auto factor = [&](const char* name) {
    const onnx::AttributeProto* attribute = FindAttribute(n.node, name);
    return attribute == nullptr ? 1.0F : attribute->f();
  };
  const auto times = [&](float by) {
    return by == 1 ? n.g : emit.Make("Mul", {n.g, emit.Float(by)});
  };
  if (n.wants(0) || n.wants(1)) {
    const std::string g = times(factor("alpha"));
    if (n.wants(0)) {
      n.Give(0, turned[0] ? Multiply(emit, n.in(1), turned[1], g, true)
                          : Multiply(emit, g, false, n.in(1), !turned[1]));
    }
    if (n.wants(1)) {
      n.Give(1, turned[1] ? Multiply(emit, g, true, n.in(0), turned[0])
                          : Multiply(emit, n.in(0), !turned[0], g, false));
    }
  }
  if (n.wants(2)) n.Give(2, emit.SumTo(times(factor("beta")), n.in(2)));
  return "";
}

constexpr GradientRule kRules[] = {{"MatMul", MatMul}, {"Gemm", Gemm}};

}  // namespace

absl::Span<const GradientRule> ProductRules() {
  return kRules;
}

}  // namespace onnxquant
