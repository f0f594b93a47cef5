#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

// How many readers take one part each of what the embedding gives, past reshapes, scales and sums.
int PartsTaken(const Graph& graph, NodeId gather, VisitedNodes& visited) {
  int parts = 0;
  WalkForward(graph, OutputOf(graph, gather), visited, [&](NodeId node) {
    if (IsAnyOf(graph, node, {"Gather", "Slice"})) ++parts;
    if (IsAnyOf(graph, node, {"Split"})) {
      parts += static_cast<int>(graph.node(node).outputs.size());
    }
    return IsAnyOf(graph, node, {"Mul", "Add", "Cast", "Reshape", "Transpose", "Identity"});
  });
  return parts;
}

}  // namespace

// Where two tables are gathered by the same ids, one may hold a part of its rows for each layer.
void FindPerLayerEmbeddings(const Graph& graph, Roles& roles) {
  absl::flat_hash_map<ValueId, std::vector<NodeId>> by_ids;
  for (const NodeId id : graph.order()) {
    if (roles.nodes[id].role != Role::kEmbedding) continue;
    if (!IsAnyOf(graph, id, {"Gather", "GatherBlockQuantized"})) continue;
    by_ids[InputOf(graph, id, 1)].push_back(id);
  }
  VisitedNodes visited(graph);
  for (const auto& [ids, gathers] : by_ids) {
    for (const NodeId id : gathers) {
      const int parts = PartsTaken(graph, id, visited);
      if (parts < 2 || parts != roles.layers) continue;
      Refine(id, Role::kPerLayerEmbedding,
             absl::StrCat("each of ", parts, " layers takes a part of its rows"), roles);
      const ValueId rows = OutputOf(graph, id);
      const absl::Span<const Use> uses = graph.value(rows).uses;
      if (uses.size() == 1 && roles.nodes[uses.front().node].role == Role::kEmbedding) {
        Refine(uses.front().node, Role::kPerLayerEmbedding, "scales the rows", roles);
      }
    }
  }
}

}  // namespace onnxquant
