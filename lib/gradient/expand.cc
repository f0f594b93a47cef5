#include "lib/gradient/expand.h"

#include "lib/analysis/ranks.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {

namespace {

constexpr int kMostSteps = 64;

// As RankOf, also through what moves elements.
int RankBeyond(const Graph& graph, ValueId value, int steps) {
  const int known = value == kNone ? -1 : RankOf(graph, value);
  if (known >= 0 || value == kNone || steps == 0) return known;
  const NodeId producer = graph.value(value).producer;
  if (producer == kNone) return -1;
  const std::string& op = graph.OpName(producer);
  const ValueIds inputs = graph.node(producer).inputs;
  if (op == "Reshape") {
    const auto shape = ConstantShape(graph, inputs[1]);
    return shape && shape->size() == 1 ? static_cast<int>(shape->front()) : -1;
  }
  if (op == "Gather") {
    const int data = RankBeyond(graph, inputs[0], steps - 1);
    const int places = RankBeyond(graph, inputs[1], steps - 1);
    return data < 0 || places < 0 ? -1 : data + places - 1;
  }
  for (const char* keeps : {"Identity", "Transpose", "SimplifiedLayerNormalization",
                            "com.microsoft::RotaryEmbedding"}) {
    if (op == keeps) return RankBeyond(graph, inputs[0], steps - 1);
  }
  return -1;
}

}  // namespace

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

int FusedNode::Rank(int input) const {
  return RankBeyond(graph, graph.node(id).inputs[static_cast<std::size_t>(input)], kMostSteps);
}

const Expansion* FindExpansion(absl::string_view op) {
  for (const auto rows :
       {ActivationExpansions(), NormExpansions(), RotaryExpansions(), AttentionExpansions()}) {
    for (const Expansion& row : rows) {
      if (row.op == op) return &row;
    }
  }
  return nullptr;
}

}  // namespace onnxquant
