#include "lib/gradient/expand.h"

#include "lib/analysis/weight_uses.h"

namespace onnxquant {

bool FusedNode::IsRead(int output) const {
  const ValueIds outputs = graph.node(id).outputs;
  if (static_cast<std::size_t>(output) >= outputs.size()) return false;
  const ValueId value = outputs[static_cast<std::size_t>(output)];
  return value != kNone && !graph.value(value).uses.empty();
}

float FusedNode::Float(const char* attribute, float fallback) const {
  const onnx::AttributeProto* found = FindAttribute(node, attribute);
  return found == nullptr ? fallback : found->f();
}

std::optional<std::vector<std::int64_t>> FusedNode::ShapeOf(int input) const {
  return ConstantShape(graph, graph.node(id).inputs[static_cast<std::size_t>(input)]);
}

const Expansion* FindExpansion(absl::string_view op) {
  for (const auto rows : {ActivationExpansions(), NormExpansions(), RotaryExpansions(),
                          AttentionExpansions()}) {
    for (const Expansion& row : rows) {
      if (row.op == op) return &row;
    }
  }
  return nullptr;
}

}  // namespace onnxquant
