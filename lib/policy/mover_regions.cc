#include "lib/policy/mover_regions.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/plan_types.h"

namespace onnxquant {
namespace {

class RegionFinder {
 public:
  explicit RegionFinder(std::size_t nodes) : parent_(nodes) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  // Every end of an edge that is still open belongs to one region.
  void Join(const MoverEdge& edge) {
    NodeId first = edge.source.open;
    for (const TypeEnd& reader : edge.readers.ends) {
      if (reader.open == kNone) continue;
      if (first == kNone) first = reader.open;
      parent_[Root(reader.open)] = Root(first);
    }
  }

  NodeId Root(NodeId id) {
    while (parent_[id] != id) {
      NodeId& up = parent_[id];
      up = parent_[up];
      id = up;
    }
    return id;
  }

 private:
  IdVector<NodeId> parent_;
};

NodeId OpenEnd(const MoverEdge& edge) {
  if (edge.source.open != kNone) return edge.source.open;
  for (const TypeEnd& reader : edge.readers.ends) {
    if (reader.open != kNone) return reader.open;
  }
  return kNone;
}

// The node whose compute type the value has when it is made, or kNone.
NodeId MakerOf(const PlanContext& context, const Value& value) {
  if (value.producer != kNone) {
    const auto output = static_cast<std::size_t>(value.output);
    const bool follows = context.Traits(value.producer).outputs[output] == SlotRule::kFollows;
    return follows ? value.producer : kNone;
  }
  const bool given_to_body = value.scope != kMainScope && value.graph_input;
  return given_to_body ? context.graph().scope(value.scope).owner : kNone;
}

}  // namespace

ValueReaders ReadersOf(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                       const IdVector<bool>& open, ValueId first) {
  const PlanContext& context = around.context;
  const Graph& graph = context.graph();
  const auto end_of = [&](NodeId node, ValueId value) -> TypeEnd {
    if (nodes[node].mixed || !nodes[node].changes) return {kNone, context.OriginalType(value)};
    if (open[node]) return {node, ElementType::kUndefined};
    return {kNone, nodes[node].compute};
  };
  ValueReaders readers;
  std::vector<ValueId> same = {first};
  while (!same.empty()) {
    const ValueId id = same.back();
    same.pop_back();
    const Value& value = graph.value(id);
    readers.io =
        readers.io || (value.scope == kMainScope && (value.graph_input || value.graph_output));
    for (const Use& use : value.uses) {
      const SlotRule rule = context.Traits(use.node).inputs[static_cast<std::size_t>(use.input)];
      if (use.input == 0 && around.seen_through[use.node]) {
        same.push_back(graph.node(use.node).outputs[0]);
      } else if (rule == SlotRule::kFollows) {
        readers.ends.push_back(end_of(use.node, id));
      } else if (rule == SlotRule::kFixed) {
        readers.ends.push_back({kNone, context.OriginalType(id)});
      } else if (rule == SlotRule::kFloat32) {
        readers.ends.push_back({kNone, ElementType::kFloat});
      } else if (context.Traits(use.node).float_cast && nodes[use.node].changes) {
        readers.io = readers.io || MakesMainOutput(graph, use.node);
        readers.ends.push_back({kNone, nodes[use.node].compute});
      }
    }
    if (value.graph_output && value.scope != kMainScope) {
      readers.ends.push_back(end_of(graph.scope(value.scope).owner, id));
    } else if (value.graph_output && !value.graph_input) {
      readers.ends.push_back({kNone, around.io[id]});
    }
  }
  return readers;
}

std::vector<Region> OpenRegions(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                                const IdVector<bool>& open, const IdVector<bool>& stored) {
  const PlanContext& context = around.context;
  const Graph& graph = context.graph();
  const IdVector<ValueId> roots = RootsOf(graph, around.seen_through);
  RegionFinder finder(graph.nodes().size());
  std::vector<MoverEdge> edges;
  for (ValueId id = 0; id < context.value_count(); ++id) {
    const Value& value = graph.value(id);
    if (!IsFloat(context.OriginalType(id))) continue;
    if (value.producer != kNone && around.seen_through[value.producer]) continue;
    if (stored[id] || IsConvertibleConstant(graph, id)) continue;
    MoverEdge edge;
    const NodeId maker = MakerOf(context, value);
    if (maker != kNone && open[maker]) {
      edge.source.open = maker;
    } else {
      edge.source.type = ProducedType(context, nodes, around.io, roots, id);
    }
    edge.readers = ReadersOf(around, nodes, open, id);
    if (OpenEnd(edge) == kNone) continue;
    finder.Join(edge);
    edges.push_back(std::move(edge));
  }
  std::vector<Region> regions;
  absl::flat_hash_map<NodeId, std::size_t> region_of;  // by root
  for (const NodeId id : graph.order()) {
    if (!open[id]) continue;
    const auto [it, added] = region_of.try_emplace(finder.Root(id), regions.size());
    if (added) regions.emplace_back();
    regions[it->second].nodes.push_back(id);
  }
  for (MoverEdge& edge : edges) {
    regions[region_of.at(finder.Root(OpenEnd(edge)))].edges.push_back(std::move(edge));
  }
  return regions;
}

std::set<ElementType> TypesAround(const Region& region) {
  std::set<ElementType> types;
  const auto look = [&types](const TypeEnd& end) {
    if (end.open == kNone) types.insert(end.type);
  };
  for (const MoverEdge& edge : region.edges) {
    look(edge.source);
    for (const TypeEnd& reader : edge.readers.ends) look(reader);
  }
  return types;
}

void FollowNeighbours(ElementType type, const std::string& what, SharedReasons& reasons,
                      NodePlan& node) {
  SetCompute(type, absl::StrCat(what, " ", NameOf(type), " nodes"), reasons, node);
}

}  // namespace onnxquant
