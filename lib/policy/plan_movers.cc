#include "lib/policy/plan_movers.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lib/policy/min_cut.h"

namespace onnxquant {
namespace {

// The nodes of a region that do not work in the half type when the fewest values are cast; among
// equals, those choices that leave the most nodes in the half type. A value costs one cast for each
// type, other than its own, that any of its readers wants.
absl::flat_hash_set<NodeId> WideNodesOf(const Region& region, ElementType half_type) {
  MinCut cut;  // first side: the half type; second side: all others
  absl::flat_hash_map<NodeId, int> vertex;
  for (const NodeId id : region.nodes) {
    vertex[id] = cut.AddVertex();
    cut.AddCost(MinCut::kFirstSide, vertex[id], 1);
  }
  const auto cast_cost = static_cast<std::int64_t>(region.nodes.size()) + 1;
  const auto at = [&vertex, half_type](const TypeEnd& end) {
    if (end.open != kNone) return vertex.at(end.open);
    return end.type == half_type ? MinCut::kFirstSide : MinCut::kSecondSide;
  };
  for (const MoverEdge& edge : region.edges) {
    const int source = at(edge.source);
    const int widened = cut.AddVertex();   // with the others as soon as one reader is
    const int narrowed = cut.AddVertex();  // with the half type as soon as one reader is
    cut.AddCost(source, widened, cast_cost);
    cut.AddCost(narrowed, source, cast_cost);
    for (const TypeEnd& reader : edge.readers) {
      cut.AddCost(widened, at(reader), MinCut::kForbidden);
      cut.AddCost(at(reader), narrowed, MinCut::kForbidden);
    }
  }
  const std::vector<bool> half = cut.Solve();
  absl::flat_hash_set<NodeId> wide;
  for (const NodeId id : region.nodes) {
    if (!half[static_cast<std::size_t>(vertex[id])]) wide.insert(id);
  }
  return wide;
}

}  // namespace

void DecideDataMovers(const Neighbourhood& around, const IdVector<bool>& movers,
                      const IdVector<bool>& stored, OutputPlan& plan) {
  constexpr const char* kWhat = "moving data between";
  SharedReasons reasons;
  for (const Region& region : OpenRegions(around, plan.nodes, movers, stored)) {
    const std::set<ElementType> types = TypesAround(region);
    if (types.empty()) continue;
    if (types.size() == 1) {
      for (const NodeId id : region.nodes) {
        FollowNeighbours(*types.begin(), kWhat, reasons, plan.nodes[id]);
      }
      continue;
    }
    // float64 loses nothing of what passes between float64 nodes.
    const ElementType wide =
        types.contains(ElementType::kDouble) ? ElementType::kDouble : ElementType::kFloat;
    const bool split = types.contains(plan.half);
    const auto wide_nodes = split ? WideNodesOf(region, plan.half) : absl::flat_hash_set<NodeId>();
    for (const NodeId id : region.nodes) {
      const bool half = split && !wide_nodes.contains(id);
      FollowNeighbours(half ? plan.half : wide, kWhat, reasons, plan.nodes[id]);
    }
  }
}

}  // namespace onnxquant
