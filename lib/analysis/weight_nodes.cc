#include "lib/analysis/weight_nodes.h"

#include "lib/analysis/graph_walk.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {

ValueId ConstantBehind(const Graph& graph, ValueId value) {
  for (int steps = 0; value != kNone && steps < 8; ++steps) {
    const Value& v = graph.value(value);
    if (v.initializer != nullptr && !v.graph_input) return value;
    if (v.producer == kNone) return kNone;
    if (IsAnyOf(graph, v.producer, {"Constant"})) return value;
    if (!IsAnyOf(graph, v.producer,
                 {"Transpose", "Identity", "Cast", "DequantizeLinear", "Reshape"})) {
      return kNone;
    }
    value = InputOf(graph, v.producer, 0);
  }
  return kNone;
}

std::optional<WeightMatMul> WeightMatMulAt(const Graph& graph, NodeId node) {
  if (node == kNone) return std::nullopt;
  const onnx::NodeProto& proto = *graph.node(node).proto;
  WeightMatMul found;
  if (IsAnyOf(graph, node, {"MatMulNBits", "MatMulBnb4"})) {
    found.weight = InputOf(graph, node, 1);
    found.columns = IntAttribute(proto, "N", 0);
    return found;
  }
  constexpr int kQuantizedWeight = 3;  // after the activation, its scale and its zero point
  int input = 1;
  if (IsAnyOf(graph, node, {"QLinearMatMul", "QGemm"})) {
    input = kQuantizedWeight;
  } else if (!IsAnyOf(graph, node,
                      {"MatMul", "Gemm", "FusedMatMul", "FusedGemm", "MatMulInteger",
                       "MatMulIntegerToFloat", "DynamicQuantizeMatMul"})) {
    return std::nullopt;
  }
  found.weight = ConstantBehind(graph, InputOf(graph, node, input));
  if (found.weight == kNone) return std::nullopt;
  const auto dims = ConstantShape(graph, found.weight);
  if (!dims || dims->size() != 2) return std::nullopt;
  bool transposed = IntAttribute(proto, "transB", 0) != 0;
  for (NodeId link = graph.ProducerOf(node, input); link != kNone;
       link = graph.ProducerOf(link, 0)) {
    if (IsAnyOf(graph, link, {"Transpose"})) transposed = !transposed;
  }
  found.columns = transposed ? (*dims)[0] : (*dims)[1];
  return found;
}

WeightNodes FindWeightNodes(const Graph& graph) {
  WeightNodes found{IdVector<bool>(graph.nodes().size(), false),
                    IdVector<bool>(graph.nodes().size(), false)};
  for (const NodeId id : graph.order()) {
    found.matmul[id] = WeightMatMulAt(graph, id).has_value();
    found.holds[id] = found.matmul[id] ||
                      IsAnyOf(graph, id,
                              {"Conv", "ConvTranspose", "GroupQueryAttention", "MultiHeadAttention",
                               "Attention", "MatMulInteger", "DynamicQuantizeMatMul",
                               "QLinearMatMul", "QMoE", "MoE", "LSTM", "GRU"});
  }
  return found;
}

}  // namespace onnxquant
