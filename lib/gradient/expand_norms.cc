#include "lib/gradient/expand.h"

namespace onnxquant {
namespace {

struct Norm {
  std::string x;
  std::string scale;
  std::string bias;  // "" for none
  bool centred = false;
  float epsilon = 1e-5F;
};

void Write(FusedNode& n, const Norm& norm) {
  Emitter& emit = n.emit;
  std::string x = norm.x;
  if (norm.centred) x = emit.Make("Sub", {x, emit.Reduce("ReduceMean", x, -1)});
  const std::string mean = emit.Reduce("ReduceMean", emit.Make("Mul", {x, x}), -1);
  const std::string root = emit.Make("Sqrt", {emit.Make("Add", {mean, emit.Float(norm.epsilon)})});
  const std::string normal = emit.Make("Div", {x, root});
  if (norm.bias.empty()) {
    emit.MakeAs(n.out(), "Mul", {normal, norm.scale});
  } else {
    emit.MakeAs(n.out(), "Add", {emit.Make("Mul", {normal, norm.scale}), norm.bias});
  }
}

constexpr char kManyAxes[] = "it normalizes over other axes than the last";
constexpr char kGivesMore[] = "its mean or deviation is read";

std::string Plain(FusedNode& n, bool centred) {
  const auto scale = n.ShapeOf(1);
  const std::int64_t axis = n.Int("axis", -1);
  if (axis != -1 && !(scale && scale->size() == 1)) return kManyAxes;
  if (n.IsRead(1) || n.IsRead(2)) return kGivesMore;
  Write(n, {n.in(0), n.in(1), n.has(2) ? n.in(2) : "", centred, n.Float("epsilon", 1e-5F)});
  return "";
}

std::string RootMeanSquare(FusedNode& n) {
  return Plain(n, false);
}

std::string LayerNorm(FusedNode& n) {
  return Plain(n, true);
}

// What both branches add up to goes on beside what is normalized.
std::string AfterSum(FusedNode& n, bool centred, int bias) {
  if (n.IsRead(1) || n.IsRead(2)) return kGivesMore;
  Emitter& emit = n.emit;
  std::string sum = emit.Make("Add", {n.in(0), n.in(1)});
  if (n.has(bias)) sum = emit.Make("Add", {sum, n.in(bias)});
  if (n.node.output_size() > 3 && !n.out(3).empty()) emit.MakeAs(n.out(3), "Identity", {sum});
  Write(n, {sum, n.in(2), centred && n.has(3) ? n.in(3) : "", centred, n.Float("epsilon", 1e-12F)});
  return "";
}

std::string SkipRootMeanSquare(FusedNode& n) {
  return AfterSum(n, false, 3);
}

std::string SkipLayerNorm(FusedNode& n) {
  return AfterSum(n, true, 4);
}

constexpr Expansion kRows[] = {
    {"SimplifiedLayerNormalization", RootMeanSquare},
    {"RMSNormalization", RootMeanSquare},
    {"LayerNormalization", LayerNorm},
    {"com.microsoft::SkipSimplifiedLayerNormalization", SkipRootMeanSquare},
    {"com.microsoft::SkipLayerNormalization", SkipLayerNorm},
};

}  // namespace

absl::Span<const Expansion> NormExpansions() {
  return kRows;
}

}  // namespace onnxquant
