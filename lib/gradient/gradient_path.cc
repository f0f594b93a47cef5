#include "lib/gradient/gradient_path.h"

#include <algorithm>

namespace onnxquant {

GradientPath FindGradientPath(const Graph& graph, const ValueTypes& types,
                              absl::Span<const ValueId> targets, ValueId logits) {
  const std::size_t count = graph.values().size();
  IdVector<bool> below(count, false);  // hangs on a target
  for (const ValueId target : targets) below[target] = true;
  for (const NodeId id : graph.order(kMainScope)) {
    const Node& node = graph.node(id);
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      return input != kNone && below[input];
    });
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
    for (const ValueId input : node.inputs) {
      if (input == kNone || !below[input]) continue;
      path.values[input] = reads = true;
    }
    if (reads) path.nodes.push_back(*id);
  }
  std::reverse(path.nodes.begin(), path.nodes.end());
  return path;
}

}  // namespace onnxquant
