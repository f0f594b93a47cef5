#include "lib/gradient/rules.h"

#include "lib/analysis/weight_uses.h"

namespace onnxquant {

void NodeGradient::GiveSummed(int i, const std::string& gradient) {
  // A scalar beside it stretches nothing.
  if (node.input_size() == 2) {
    const auto other =
        ConstantShape(graph_, graph_.node(id_).inputs[static_cast<std::size_t>(1 - i)]);
    if (other && other->empty()) return Give(i, gradient);
  }
  Give(i, emit.SumTo(gradient, in(i)));
}

std::string TableBehind(const Graph& graph, NodeId id, int i) {
  const NodeId producer = graph.ProducerOf(id, i);
  if (producer == kNone || graph.OpName(producer) != "Transpose") return "";
  const auto shape = ConstantShape(graph, graph.node(producer).inputs[0]);
  if (!shape || shape->size() != 2) return "";
  const onnx::AttributeProto* perm = FindAttribute(*graph.node(producer).proto, "perm");
  if (perm != nullptr && (perm->ints_size() != 2 || perm->ints(0) != 1)) return "";
  return graph.node(producer).proto->input(0);
}

bool NodeGradient::IsConstantMatrix(int i) const {
  const auto shape = ConstantShape(graph_, graph_.node(id_).inputs[static_cast<std::size_t>(i)]);
  return shape && shape->size() == 2;
}

const GradientRule* FindGradientRule(absl::string_view op) {
  for (const auto rules :
       {ArithmeticRules(), FunctionRules(), ProductRules(), ShapeRules(), SelectionRules()}) {
    for (const GradientRule& rule : rules) {
      if (rule.op == op) return &rule;
    }
  }
  return nullptr;
}

}  // namespace onnxquant
