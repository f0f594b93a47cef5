#include "lib/analysis/graph_walk.h"

#include <algorithm>
#include <vector>

#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

ValueId At(ValueIds values, int index) {
  return index >= 0 && index < static_cast<int>(values.size())
             ? values[static_cast<std::size_t>(index)]
             : kNone;
}

// Whether what the node makes is its first input, rounded or widened.
bool Rounds(const Graph& graph, NodeId node) {
  if (IsAnyOf(graph, node, {"Cast"})) {
    const auto to = IntAttribute(*graph.node(node).proto, "to", 0);
    return IsFloat(static_cast<ElementType>(to));
  }
  return IsAnyOf(graph, node, {"Clip"}) &&
         IsAnyOf(graph, graph.ProducerOf(node, 0), {"Add", "Sum", "Cast"});
}

}  // namespace

bool IsAnyOf(const Graph& graph, NodeId node, absl::Span<const absl::string_view> ops) {
  if (node == kNone) return false;
  const Operator& found = graph.OperatorOf(node);
  return (found.onnx || found.microsoft) &&
         std::find(ops.begin(), ops.end(), found.type) != ops.end();
}

ValueId InputOf(const Graph& graph, NodeId node, int input) {
  return At(graph.node(node).inputs, input);
}

ValueId OutputOf(const Graph& graph, NodeId node, int output) {
  return At(graph.node(node).outputs, output);
}

IdVector<int> PlacesInOrder(const Graph& graph) {
  IdVector<int> places(graph.nodes().size());
  int place = 0;
  for (const NodeId id : graph.order()) places[id] = place++;
  return places;
}

IdVector<ValueId> Uncast(const Graph& graph) {
  IdVector<ValueId> before(graph.values().size());
  for (ValueId id = 0; id < static_cast<ValueId>(before.size()); ++id) before[id] = id;
  for (const NodeId id : graph.order()) {
    if (!Rounds(graph, id) || InputOf(graph, id, 0) == kNone) continue;
    for (const ValueId output : graph.node(id).outputs) {
      if (output != kNone) before[output] = before[InputOf(graph, id, 0)];
    }
  }
  return before;
}

void WalkBack(const Graph& graph, ValueId value, VisitedNodes& visited,
              absl::FunctionRef<bool(NodeId)> visit, int most) {
  std::vector<ValueId> open = {value};
  std::size_t edges = 0;
  visited.Clear();
  while (!open.empty() && visited.count() < most && edges < kMostEdges) {
    const ValueId next = open.back();
    open.pop_back();
    if (next == kNone) continue;
    const NodeId producer = graph.value(next).producer;
    if (producer == kNone || !visited.Insert(producer) || !visit(producer)) continue;
    const ValueIds inputs = graph.node(producer).inputs.subspan(0, kMostEdges - edges);
    open.insert(open.end(), inputs.begin(), inputs.end());
    edges += inputs.size();
  }
}

void WalkForward(const Graph& graph, ValueId value, VisitedNodes& visited,
                 absl::FunctionRef<bool(NodeId)> visit, int most) {
  std::vector<ValueId> open = {value};
  std::size_t edges = 0;
  visited.Clear();
  while (!open.empty() && visited.count() < most) {
    const ValueId next = open.back();
    open.pop_back();
    if (next == kNone) continue;
    for (const Use& use : graph.value(next).uses) {
      if (++edges > kMostEdges) return;
      if (!visited.Insert(use.node) || !visit(use.node)) continue;
      const ValueIds outputs = graph.node(use.node).outputs;
      open.insert(open.end(), outputs.begin(), outputs.end());
    }
  }
}

}  // namespace onnxquant
