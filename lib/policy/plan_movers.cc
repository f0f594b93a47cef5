#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "lib/policy/min_cut.h"
#include "lib/policy/plan_maker.h"

namespace onnxquant {
namespace {

// Arithmetic on each element, too little to be worth a cast before and after it.
constexpr const char* kElementwise[] = {
    "Abs",  "Add",         "Clip",    "Div",      "Elu",       "Erf",       "Exp",
    "Gelu", "HardSigmoid", "Max",     "Min",      "HardSwish", "LeakyRelu", "Mul",
    "Neg",  "Relu",        "Sigmoid", "Softplus", "Sqrt",      "Sub",       "Tanh"};
constexpr std::int64_t kLightWeight = 1024;  // elements that are not worth halving

class RegionFinder {
 public:
  explicit RegionFinder(std::size_t nodes) : parent_(nodes) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  // Every end of an edge that is still open belongs to one region.
  void Join(const MoverEdge& edge) {
    NodeId first = edge.source.open;
    for (const MoverEdge::End& reader : edge.readers) {
      if (reader.open == kNone) continue;
      if (first == kNone) first = reader.open;
      parent_[static_cast<std::size_t>(Root(reader.open))] = Root(first);
    }
  }

  NodeId Root(NodeId id) {
    while (parent_[static_cast<std::size_t>(id)] != id) {
      NodeId& up = parent_[static_cast<std::size_t>(id)];
      up = parent_[static_cast<std::size_t>(up)];
      id = up;
    }
    return id;
  }

 private:
  std::vector<NodeId> parent_;
};

NodeId OpenEnd(const MoverEdge& edge) {
  if (edge.source.open != kNone) return edge.source.open;
  for (const MoverEdge::End& reader : edge.readers) {
    if (reader.open != kNone) return reader.open;
  }
  return kNone;
}

bool TouchesFloat32(const Region& region, bool only) {
  bool any = false;
  bool half = false;
  const auto look = [&](const MoverEdge::End& end) {
    if (end.open != kNone) return;
    (end.type == ElementType::kFloat ? any : half) = true;
  };
  for (const MoverEdge& edge : region.edges) {
    look(edge.source);
    for (const MoverEdge::End& reader : edge.readers) look(reader);
  }
  return only ? any && !half : any;
}

// The nodes of a region that work in float32 when the fewest values are cast; among equals, those
// choices that leave the most nodes in the half type. A value costs one cast for each type, other
// than its own, that any of its readers wants.
std::vector<NodeId> Float32NodesOf(const Region& region) {
  MinCut cut;  // first side: the half type; second side: float32
  absl::flat_hash_map<NodeId, int> vertex;
  for (const NodeId id : region.nodes) {
    vertex[id] = cut.AddVertex();
    cut.AddCost(MinCut::kFirstSide, vertex[id], 1);
  }
  const auto cast_cost = static_cast<std::int64_t>(region.nodes.size()) + 1;
  const auto at = [&vertex](const MoverEdge::End& end) {
    if (end.open != kNone) return vertex.at(end.open);
    return end.type == ElementType::kFloat ? MinCut::kSecondSide : MinCut::kFirstSide;
  };
  for (const MoverEdge& edge : region.edges) {
    const int source = at(edge.source);
    const int widened = cut.AddVertex();   // with float32 as soon as one reader is
    const int narrowed = cut.AddVertex();  // with the half type as soon as one reader is
    cut.AddCost(source, widened, cast_cost);
    cut.AddCost(narrowed, source, cast_cost);
    for (const MoverEdge::End& reader : edge.readers) {
      cut.AddCost(widened, at(reader), MinCut::kForbidden);
      cut.AddCost(at(reader), narrowed, MinCut::kForbidden);
    }
  }
  const std::vector<bool> half = cut.Solve();
  std::vector<NodeId> float32;
  for (const NodeId id : region.nodes) {
    if (!half[static_cast<std::size_t>(vertex[id])]) float32.push_back(id);
  }
  return float32;
}

}  // namespace

MoverEdge PlanMaker::EdgeOf(ValueId id) const {
  const Graph& graph = analysis_.graph;
  const Value& value = graph.value(id);
  const auto end_of = [this](NodeId node) -> MoverEdge::End {
    if (floating_[static_cast<std::size_t>(node)]) return {node, ElementType::kUndefined};
    return {kNone, PlanOf(node).compute};
  };
  const auto owner = [&] { return graph.scope(value.scope).owner; };
  MoverEdge edge;
  edge.source = {kNone, Produced(id)};
  edge.io = value.scope == kMainScope && (value.graph_input || value.graph_output);
  if (value.producer != kNone) {
    const auto output = static_cast<std::size_t>(value.output);
    if (Traits(value.producer).outputs[output] == SlotRule::kFollows) {
      edge.source = end_of(value.producer);
    }
  } else if (value.scope != kMainScope && value.graph_input) {
    edge.source = end_of(owner());
  }
  for (const Use& use : value.uses) {
    const SlotRule rule = Traits(use.node).inputs[static_cast<std::size_t>(use.input)];
    if (rule == SlotRule::kFollows) edge.readers.push_back(end_of(use.node));
    if (rule == SlotRule::kFixed) edge.readers.push_back({kNone, ElementType::kFloat});
  }
  if (value.graph_output && value.scope != kMainScope) {
    edge.readers.push_back(end_of(owner()));
  } else if (value.graph_output && !value.graph_input) {
    edge.readers.push_back({kNone, io_types_[static_cast<std::size_t>(id)]});
  }
  return edge;
}

bool PlanMaker::IsLight(NodeId id) const {
  const std::string& op = analysis_.graph.node(id).proto->op_type();
  const bool elementwise = std::any_of(std::begin(kElementwise), std::end(kElementwise),
                                       [&op](const char* name) { return op == name; });
  const auto at = static_cast<std::size_t>(id);
  if (!elementwise || !IsOnnxDomain(analysis_.graph.node(id).proto->domain())) return false;
  if (PlanOf(id).compute == ElementType::kFloat || resolved_[at].compute_by_rule) return false;
  const std::vector<std::size_t>& uses = uses_of_reader_[at];
  return std::all_of(uses.begin(), uses.end(), [this](std::size_t use) {
    const auto shape = ConstantShape(analysis_.graph, analysis_.weight_uses[use].weight);
    std::int64_t elements = 1;
    for (const std::int64_t dim : shape.value_or(std::vector<std::int64_t>{})) {
      if (dim > kLightWeight) return false;
      elements = std::min(elements * dim, kLightWeight + 1);
    }
    return elements <= kLightWeight;
  });
}

std::map<NodeId, Region> PlanMaker::OpenRegions() const {
  const Graph& graph = analysis_.graph;
  RegionFinder finder(graph.nodes().size());
  std::vector<MoverEdge> edges;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
    if (analysis_.types[static_cast<std::size_t>(id)] != ElementType::kFloat) continue;
    if (IsConvertibleConstant(graph, id)) continue;  // stored in each type that is wanted
    MoverEdge edge = EdgeOf(id);
    if (OpenEnd(edge) == kNone) continue;
    finder.Join(edge);
    edges.push_back(std::move(edge));
  }
  std::map<NodeId, Region> regions;
  for (const NodeId id : graph.order()) {
    if (floating_[static_cast<std::size_t>(id)]) regions[finder.Root(id)].nodes.push_back(id);
  }
  for (MoverEdge& edge : edges)
    regions[finder.Root(OpenEnd(edge))].edges.push_back(std::move(edge));
  return regions;
}

// Elementwise arithmetic whose neighbours all work in float32, as between quantized products: in
// the half type it would cost casts and save nothing.
void PlanMaker::KeepIslands() {
  const std::vector<bool> movers = floating_;
  for (NodeId id = 0; id < static_cast<NodeId>(floating_.size()); ++id) {
    if (IsLight(id)) floating_[static_cast<std::size_t>(id)] = true;
  }
  const std::map<NodeId, Region> regions = OpenRegions();
  floating_ = movers;
  for (const auto& [root, region] : regions) {
    const bool io = std::any_of(region.edges.begin(), region.edges.end(),
                                [](const MoverEdge& edge) { return edge.io; });
    if (io || !TouchesFloat32(region, true)) continue;
    for (const NodeId id : region.nodes) {
      if (movers[static_cast<std::size_t>(id)]) continue;  // they follow
      PlanOf(id).compute = ElementType::kFloat;
      PlanOf(id).why.push_back({"arithmetic between float32 nodes", "compute: float32"});
    }
  }
}

void PlanMaker::DecideDataMovers() {
  for (const auto& [root, region] : OpenRegions()) {
    if (!TouchesFloat32(region, false)) continue;
    const std::vector<NodeId> float32 =
        TouchesFloat32(region, true) ? region.nodes : Float32NodesOf(region);
    for (const NodeId id : float32) {
      PlanOf(id).compute = ElementType::kFloat;
      PlanOf(id).why.push_back({"moving data between float32 nodes", "compute: float32"});
    }
  }
}

}  // namespace onnxquant
