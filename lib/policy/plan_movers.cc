#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
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

// The types that are decided around a region.
std::set<ElementType> TypesAround(const Region& region) {
  std::set<ElementType> types;
  const auto look = [&types](const MoverEdge::End& end) {
    if (end.open == kNone) types.insert(end.type);
  };
  for (const MoverEdge& edge : region.edges) {
    look(edge.source);
    for (const MoverEdge::End& reader : edge.readers) look(reader);
  }
  return types;
}

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
  const auto at = [&vertex, half_type](const MoverEdge::End& end) {
    if (end.open != kNone) return vertex.at(end.open);
    return end.type == half_type ? MinCut::kFirstSide : MinCut::kSecondSide;
  };
  for (const MoverEdge& edge : region.edges) {
    const int source = at(edge.source);
    const int widened = cut.AddVertex();   // with the others as soon as one reader is
    const int narrowed = cut.AddVertex();  // with the half type as soon as one reader is
    cut.AddCost(source, widened, cast_cost);
    cut.AddCost(narrowed, source, cast_cost);
    for (const MoverEdge::End& reader : edge.readers) {
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

MoverEdge PlanMaker::EdgeOf(ValueId id) const {
  const Graph& graph = analysis_.graph;
  const Value& value = graph.value(id);
  MoverEdge edge;
  edge.source = {kNone, Produced(id)};
  NodeId maker = kNone;
  if (value.producer != kNone) {
    const auto output = static_cast<std::size_t>(value.output);
    const bool follows = Traits(value.producer).outputs[output] == SlotRule::kFollows;
    if (follows) maker = value.producer;
  } else if (value.scope != kMainScope && value.graph_input) {
    maker = graph.scope(value.scope).owner;
  }
  if (maker != kNone && floating_[static_cast<std::size_t>(maker)]) edge.source = {maker, {}};
  AddReaders(id, edge);
  return edge;
}

// The readers of a value, and of what Casts between float types make of it.
void PlanMaker::AddReaders(ValueId first, MoverEdge& edge) const {
  const Graph& graph = analysis_.graph;
  const auto end_of = [this](NodeId node, ValueId value) -> MoverEdge::End {
    if (PlanOf(node).mixed || !PlanOf(node).changes) return {kNone, OriginalType(value)};
    if (floating_[static_cast<std::size_t>(node)]) return {node, ElementType::kUndefined};
    return {kNone, PlanOf(node).compute};
  };
  std::vector<ValueId> same = {first};
  while (!same.empty()) {
    const ValueId id = same.back();
    same.pop_back();
    const Value& value = graph.value(id);
    edge.io = edge.io || (value.scope == kMainScope && (value.graph_input || value.graph_output));
    for (const Use& use : value.uses) {
      const SlotRule rule = Traits(use.node).inputs[static_cast<std::size_t>(use.input)];
      if (use.input == 0 && IsTransparent(use.node)) {
        same.push_back(graph.node(use.node).outputs[0]);
      } else if (rule == SlotRule::kFollows) {
        edge.readers.push_back(end_of(use.node, id));
      } else if (rule == SlotRule::kFixed) {
        edge.readers.push_back({kNone, OriginalType(id)});
      } else if (rule == SlotRule::kFloat32) {
        edge.readers.push_back({kNone, ElementType::kFloat});
      } else if (Traits(use.node).float_cast && PlanOf(use.node).changes) {
        edge.io = edge.io || MakesMainOutput(use.node);
        edge.readers.push_back({kNone, PlanOf(use.node).compute});
      }
    }
    if (value.graph_output && value.scope != kMainScope) {
      edge.readers.push_back(end_of(graph.scope(value.scope).owner, id));
    } else if (value.graph_output && !value.graph_input) {
      edge.readers.push_back({kNone, io_types_[static_cast<std::size_t>(id)]});
    }
  }
}

bool PlanMaker::IsLight(NodeId id) const {
  const std::string& op = analysis_.graph.node(id).proto->op_type();
  const bool elementwise = std::any_of(std::begin(kElementwise), std::end(kElementwise),
                                       [&op](const char* name) { return op == name; });
  const auto at = static_cast<std::size_t>(id);
  if (!elementwise || !IsOnnxDomain(analysis_.graph.node(id).proto->domain())) return false;
  if (!IsHalf(PlanOf(id).compute) || resolved_[at].compute_by_rule) return false;
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

// Arithmetic between DequantizeLinear and QuantizeLinear, which providers fuse with them into a
// quantized kernel: Casts between them would be in its way.
bool PlanMaker::IsQuantizedUnit(NodeId id) const {
  const Graph& graph = analysis_.graph;
  const auto is = [&graph](NodeId node, const char* op) {
    return node != kNone && graph.node(node).proto->op_type() == op;
  };
  if (!IsHalf(PlanOf(id).compute) || resolved_[static_cast<std::size_t>(id)].compute_by_rule) {
    return false;
  }
  const Node& node = graph.node(id);
  bool dequantized = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (Traits(id).inputs[i] != SlotRule::kFollows) continue;
    if (IsConvertibleConstant(graph, node.inputs[i])) continue;
    if (!is(graph.value(node.inputs[i]).producer, "DequantizeLinear")) return false;
    dequantized = true;
  }
  for (const ValueId output : node.outputs) {
    if (output == kNone) continue;
    const Value& value = graph.value(output);
    const bool quantized = !value.graph_output &&
                           std::all_of(value.uses.begin(), value.uses.end(), [&](const Use& use) {
                             return is(use.node, "QuantizeLinear");
                           });
    if (!quantized) return false;
  }
  return dequantized;
}

std::map<NodeId, Region> PlanMaker::OpenRegions() const {
  const Graph& graph = analysis_.graph;
  RegionFinder finder(graph.nodes().size());
  std::vector<MoverEdge> edges;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
    if (!IsFloat(OriginalType(id)) || IsTransparent(graph.value(id).producer)) continue;
    // Stored in each type that is wanted.
    if (stored_[static_cast<std::size_t>(id)] || IsConvertibleConstant(graph, id)) continue;
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

void PlanMaker::SetMover(NodeId id, ElementType type, const std::string& why) {
  if (PlanOf(id).compute == type) return;
  PlanOf(id).compute = type;
  PlanOf(id).why.push_back(Because(absl::StrCat(why, " ", NameOf(type), " nodes"),
                                   absl::StrCat("compute: ", NameOf(type))));
}

const Reason& PlanMaker::Because(const std::string& source, const std::string& effect) {
  return reasons_.try_emplace(std::pair(source, effect), source, effect).first->second;
}

// Elementwise arithmetic whose neighbours all work in float32, as between quantized products: in
// the half type it would cost casts and save nothing.
void PlanMaker::KeepIslands() {
  const std::vector<bool> movers = floating_;
  for (NodeId id = 0; id < static_cast<NodeId>(floating_.size()); ++id) {
    const bool light = PlanOf(id).changes && (IsLight(id) || IsQuantizedUnit(id));
    if (light) floating_[static_cast<std::size_t>(id)] = true;
  }
  const std::map<NodeId, Region> regions = OpenRegions();
  floating_ = movers;
  for (const auto& [root, region] : regions) {
    const bool io = std::any_of(region.edges.begin(), region.edges.end(),
                                [](const MoverEdge& edge) { return edge.io; });
    if (io || TypesAround(region) != std::set<ElementType>{ElementType::kFloat}) continue;
    for (const NodeId id : region.nodes) {
      if (movers[static_cast<std::size_t>(id)]) continue;  // they follow
      SetMover(id, ElementType::kFloat, "arithmetic between");
    }
  }
}

void PlanMaker::DecideDataMovers() {
  for (const auto& [root, region] : OpenRegions()) {
    const std::set<ElementType> types = TypesAround(region);
    if (types.empty()) continue;
    if (types.size() == 1) {
      for (const NodeId id : region.nodes) SetMover(id, *types.begin(), "moving data between");
      continue;
    }
    // float64 loses nothing of what passes between float64 nodes.
    const ElementType wide =
        types.contains(ElementType::kDouble) ? ElementType::kDouble : ElementType::kFloat;
    const bool split = types.contains(plan_.half);
    const auto wide_nodes = split ? WideNodesOf(region, plan_.half) : absl::flat_hash_set<NodeId>();
    for (const NodeId id : region.nodes) {
      const bool half = split && !wide_nodes.contains(id);
      SetMover(id, half ? plan_.half : wide, "moving data between");
    }
  }
}

}  // namespace onnxquant
