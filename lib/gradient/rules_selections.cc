// Of operators that give some of their elements.
#include "lib/gradient/rules.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kScatterAdds = 16;  // from this opset on

// `gradient` where `taken`, the places of its elements in input 0, says; zero elsewhere.
std::string PutBack(NodeGradient& n, const std::string& taken, bool repeats) {
  Emitter& emit = n.emit;
  const std::string flat = emit.Ints({-1});
  const std::string zeros =
      emit.ZerosOf(emit.Make("Reshape", {emit.Make("Size", {n.in(0)}), emit.Ints({1})}));
  std::vector<NodeAttribute> attributes = {{"axis", std::int64_t{0}}};
  if (repeats) attributes.push_back({"reduction", std::string("add")});
  const std::string put = emit.Make(
      "ScatterElements",
      {zeros, emit.Make("Reshape", {taken, flat}), emit.Make("Reshape", {n.g, flat})}, attributes);
  return emit.Make("Reshape", {put, emit.ShapeOf(n.in(0))});
}

std::string Slice(NodeGradient& n) {
  std::vector<std::string> inputs = {n.emit.IndicesLike(n.in(0))};
  for (int i = 1; i < n.node.input_size(); ++i) inputs.push_back(n.in(i));
  n.Give(0, PutBack(n, n.emit.Make("Slice", inputs), false));
  return "";
}

std::string Gather(NodeGradient& n) {
  if (n.emit.opset() < kScatterAdds)
    return "its places may repeat, which opset 16 can add up first";
  const std::string taken =
      n.emit.Make("Gather", {n.emit.IndicesLike(n.in(0)), n.in(1)}, {{"axis", n.Int("axis", 0)}});
  n.Give(0, PutBack(n, taken, true));
  return "";
}

std::string Where(NodeGradient& n) {
  const std::string zero = n.emit.Float(0);
  if (n.wants(1)) n.Give(1, n.emit.SumTo(n.emit.Make("Where", {n.in(0), n.g, zero}), n.in(1)));
  if (n.wants(2)) n.Give(2, n.emit.SumTo(n.emit.Make("Where", {n.in(0), zero, n.g}), n.in(2)));
  return "";
}

constexpr GradientRule kRules[] = {{"Slice", Slice}, {"Gather", Gather}, {"Where", Where}};

}  // namespace

absl::Span<const GradientRule> SelectionRules() {
  return kRules;
}

}  // namespace onnxquant
