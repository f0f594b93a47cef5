#include "lib/gradient/gradient_path.h"

#include <algorithm>

namespace onnxquant {
namespace {

// By node of the main graph, the values that it reads, its bodies' captures among them.
IdVector<std::vector<ValueId>> ValuesRead(const Graph& graph) {
  IdVector<std::vector<ValueId>> read(graph.nodes().size());
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].scope != kMainScope) continue;
    for (const Use& use : graph.values()[i].uses) {
      NodeId reader = use.node;
      while (graph.node(reader).scope != kMainScope) {
        reader = graph.scope(graph.node(reader).scope).owner;
      }
      read[reader].push_back(static_cast<ValueId>(i));
    }
  }
  return read;
}

}  // namespace

GradientPath FindGradientPath(const Graph& graph, const ValueTypes& types,
                              absl::Span<const ValueId> targets, ValueId logits) {
  const std::size_t count = graph.values().size();
  const IdVector<std::vector<ValueId>> read = ValuesRead(graph);
  IdVector<bool> below(count, false);  // hangs on a target
  for (const ValueId target : targets) below[target] = true;
  for (const NodeId id : graph.order(kMainScope)) {
    const Node& node = graph.node(id);
    const bool reads =
        std::any_of(read[id].begin(), read[id].end(), [&](ValueId input) { return below[input]; });
    if (!reads) continue;
    for (const ValueId output : node.outputs) {
      if (output != kNone && IsFloat(types[output])) below[output] = true;
    }
  }
  GradientPath path;
  path.values = IdVector<bool>(count, false);
  if (logits != kNone) path.values[logits] = below[logits];
  const std::vector<NodeId>& order = graph.order(kMainScope);
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const Node& node = graph.node(*id);
    bool wanted = false;
    for (const ValueId output : node.outputs) wanted |= output != kNone && path.values[output];
    if (!wanted) continue;
    bool reads = false;
    for (const ValueId input : read[*id]) {
      if (!below[input]) continue;
      path.values[input] = reads = true;
    }
    if (reads) path.nodes.push_back(*id);
  }
  std::reverse(path.nodes.begin(), path.nodes.end());
  return path;
}

}  // namespace onnxquant
