#include "lib/policy/mover_regions.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "lib/policy/plan_types.h"

namespace onnxquant {
namespace {

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

// Adds the readers of `first`, and of what is made of it by nodes that are seen through, to `ends`;
// says whether it is an input or output of the model.
bool AddReaders(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                const IdVector<bool>& open, ValueId first, std::vector<TypeEnd>& ends) {
  const PlanContext& context = around.context;
  const Graph& graph = context.graph();
  const auto end_of = [&](NodeId node, ValueId value) -> TypeEnd {
    if (nodes[node].mixed || !nodes[node].changes) return {kNone, context.OriginalType(value)};
    if (open[node]) return {node, ElementType::kUndefined};
    return {kNone, nodes[node].compute};
  };
  bool io = false;
  absl::InlinedVector<ValueId, 8> same = {first};
  while (!same.empty()) {
    const ValueId id = same.back();
    same.pop_back();
    const Value& value = graph.value(id);
    io = io || (value.scope == kMainScope && (value.graph_input || value.graph_output));
    for (const Use& use : value.uses) {
      const SlotRule rule = context.Traits(use.node).inputs[static_cast<std::size_t>(use.input)];
      if (use.input == 0 && around.seen_through[use.node]) {
        same.push_back(graph.node(use.node).outputs[0]);
      } else if (rule == SlotRule::kFollows) {
        ends.push_back(end_of(use.node, id));
      } else if (rule == SlotRule::kFixed) {
        ends.push_back({kNone, context.OriginalType(id)});
      } else if (rule == SlotRule::kFloat32) {
        ends.push_back({kNone, ElementType::kFloat});
      } else if (context.Traits(use.node).float_cast && nodes[use.node].changes) {
        io = io || MakesMainOutput(graph, use.node);
        ends.push_back({kNone, nodes[use.node].compute});
      }
    }
    if (value.graph_output && value.scope != kMainScope) {
      ends.push_back(end_of(graph.scope(value.scope).owner, id));
    } else if (value.graph_output && !value.graph_input) {
      ends.push_back({kNone, around.io[id]});
    }
  }
  return io;
}

}  // namespace

// Every end of an edge that is still open belongs to one region.
class RegionFinder {
 public:
  explicit RegionFinder(std::size_t nodes) : parent_(nodes) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  // Takes the ends from `first` on; leaves the edge out if none of its ends is open.
  void Add(const TypeEnd& source, std::size_t first, bool io) {
    NodeId joined = source.open;
    for (std::size_t i = first; i < ends().size(); ++i) {
      const NodeId reader = ends()[i].open;
      if (reader == kNone) continue;
      if (joined == kNone) joined = reader;
      parent_[Root(reader)] = Root(joined);
    }
    if (joined == kNone) {
      ends().resize(first);
    } else {
      found_.push_back({source, joined, io, ends().size()});
    }
  }

  std::vector<TypeEnd>& ends() { return regions_.ends_; }

  // The regions in the order of their first nodes, their nodes and edges in the order given.
  Regions Finish(const std::vector<NodeId>& order, const IdVector<bool>& open) && {
    IdVector<int> region_of(parent_.size(), kNone);  // by root
    std::vector<std::size_t> node_ends;
    for (const NodeId id : order) {
      if (!open[id]) continue;
      int& region = region_of[Root(id)];
      if (region == kNone) {
        region = static_cast<int>(node_ends.size());
        node_ends.push_back(0);
      }
      ++node_ends[static_cast<std::size_t>(region)];
    }
    std::vector<std::size_t> edge_ends(node_ends.size(), 0);
    const auto region_at = [&](NodeId node) -> std::size_t {
      return static_cast<std::size_t>(region_of[Root(node)]);
    };
    for (const Found& edge : found_) ++edge_ends[region_at(edge.open)];
    regions_.nodes_.resize(SumUp(node_ends));
    regions_.edges_.resize(SumUp(edge_ends));
    regions_.regions_.reserve(node_ends.size());
    for (std::size_t i = 0; i < node_ends.size(); ++i) {
      const auto part = [i](const auto& all, const std::vector<std::size_t>& starts) {
        const std::size_t end = i + 1 < starts.size() ? starts[i + 1] : all.size();
        return absl::MakeConstSpan(all).subspan(starts[i], end - starts[i]);
      };
      regions_.regions_.push_back(
          {part(regions_.nodes_, node_ends), part(regions_.edges_, edge_ends)});
    }
    for (const NodeId id : order) {
      if (open[id]) regions_.nodes_[node_ends[region_at(id)]++] = id;
    }
    std::size_t first = 0;
    for (const Found& edge : found_) {
      regions_.edges_[edge_ends[region_at(edge.open)]++] = {
          edge.source, absl::MakeConstSpan(ends()).subspan(first, edge.end - first), edge.io};
      first = edge.end;
    }
    return std::move(regions_);
  }

 private:
  struct Found {
    TypeEnd source;
    NodeId open;  // one of its ends that are
    bool io;
    std::size_t end;  // in ends(); it begins where the one before it ends
  };

  NodeId Root(NodeId id) {
    while (parent_[id] != id) {
      NodeId& up = parent_[id];
      up = parent_[up];
      id = up;
    }
    return id;
  }

  // Makes of sizes where each begins; returns their sum.
  static std::size_t SumUp(std::vector<std::size_t>& sizes) {
    std::size_t sum = 0;
    for (std::size_t& size : sizes) sum += std::exchange(size, sum);
    return sum;
  }

  IdVector<NodeId> parent_;
  std::vector<Found> found_;
  Regions regions_;
};

ValueReaders ReadersOf(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                       const IdVector<bool>& open, ValueId value) {
  ValueReaders readers;
  readers.io = AddReaders(around, nodes, open, value, readers.ends);
  return readers;
}

Regions OpenRegions(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                    const IdVector<bool>& open, const IdVector<bool>& stored) {
  const PlanContext& context = around.context;
  const Graph& graph = context.graph();
  const IdVector<ValueId> roots = RootsOf(graph, around.seen_through);
  RegionFinder finder(graph.nodes().size());
  for (ValueId id = 0; id < context.value_count(); ++id) {
    const Value& value = graph.value(id);
    if (!IsFloat(context.OriginalType(id))) continue;
    if (value.producer != kNone && around.seen_through[value.producer]) continue;
    if (stored[id] || IsConvertibleConstant(graph, id)) continue;
    TypeEnd source;
    const NodeId maker = MakerOf(context, value);
    if (maker != kNone && open[maker]) {
      source.open = maker;
    } else {
      source.type = ProducedType(context, nodes, around.io, roots, id);
    }
    const std::size_t first = finder.ends().size();
    const bool io = AddReaders(around, nodes, open, id, finder.ends());
    finder.Add(source, first, io);
  }
  return std::move(finder).Finish(graph.order(), open);
}

std::set<ElementType> TypesAround(const Region& region) {
  std::set<ElementType> types;
  const auto look = [&types](const TypeEnd& end) {
    if (end.open == kNone) types.insert(end.type);
  };
  for (const MoverEdge& edge : region.edges) {
    look(edge.source);
    for (const TypeEnd& reader : edge.readers) look(reader);
  }
  return types;
}

void FollowNeighbours(ElementType type, const std::string& what, SharedReasons& reasons,
                      NodePlan& node) {
  SetCompute(type, absl::StrCat(what, " ", NameOf(type), " nodes"), reasons, node);
}

}  // namespace onnxquant
