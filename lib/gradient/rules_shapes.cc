// Of operators that move elements, and lose none.
#include "lib/gradient/rules.h"

namespace onnxquant {
namespace {

std::string AsItWas(NodeGradient& n) {
  n.Give(0, n.emit.Make("Reshape", {n.g, n.emit.ShapeOf(n.in(0))}));
  return "";
}

std::string Transpose(NodeGradient& n) {
  const onnx::AttributeProto* perm = FindAttribute(n.node, "perm");
  if (perm == nullptr) {  // all axes the other way round, and so back
    n.Give(0, n.emit.Make("Transpose", {n.g}));
    return "";
  }
  std::vector<std::int64_t> back(static_cast<std::size_t>(perm->ints_size()));
  for (int i = 0; i < perm->ints_size(); ++i) back[static_cast<std::size_t>(perm->ints(i))] = i;
  n.Give(0, n.emit.Make("Transpose", {n.g}, {{"perm", back}}));
  return "";
}

std::string Concat(NodeGradient& n) {
  Emitter& emit = n.emit;
  const std::int64_t axis = n.Int("axis", 0);
  std::vector<std::string> sizes;
  for (int i = 0; i < n.node.input_size(); ++i) {
    sizes.push_back(emit.Make("Gather", {emit.ShapeOf(n.in(i)), emit.Ints({axis})}));
  }
  const std::string all = emit.Make("Concat", sizes, {{"axis", std::int64_t{0}}});
  const auto parts = emit.MakeMany(sizes.size(), "Split", {n.g, all}, {{"axis", axis}});
  for (int i = 0; i < n.node.input_size(); ++i) {
    if (n.wants(i)) n.Give(i, parts[static_cast<std::size_t>(i)]);
  }
  return "";
}

std::string Split(NodeGradient& n) {
  Emitter& emit = n.emit;
  std::vector<std::string> parts;
  for (int i = 0; i < n.node.output_size(); ++i) {
    const std::string& part = n.all[static_cast<std::size_t>(i)];
    if (n.out(i).empty()) return "it leaves out an output";
    parts.push_back(part.empty() ? emit.ZerosOf(emit.ShapeOf(n.out(i))) : part);
  }
  n.Give(0, emit.Make("Concat", parts, {{"axis", n.Int("axis", 0)}}));
  return "";
}

std::string Expand(NodeGradient& n) {
  n.Give(0, n.emit.SumTo(n.g, n.in(0)));
  return "";
}

constexpr GradientRule kRules[] = {
    {"Reshape", AsItWas},     {"Squeeze", AsItWas}, {"Unsqueeze", AsItWas}, {"Flatten", AsItWas},
    {"Transpose", Transpose}, {"Concat", Concat},   {"Split", Split},       {"Expand", Expand},
};

}  // namespace

absl::Span<const GradientRule> ShapeRules() {
  return kRules;
}

}  // namespace onnxquant
