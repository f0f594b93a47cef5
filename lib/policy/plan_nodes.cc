#include <cstddef>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "lib/policy/plan_maker.h"

namespace onnxquant {

Resolved PlanMaker::ResolveNode(NodeId id) {
  std::vector<Subject> subjects = {SubjectOf(id, kNone)};
  for (const std::size_t use : uses_of_reader_[static_cast<std::size_t>(id)]) {
    subjects.push_back(SubjectOf(id, analysis_.weight_uses[use].weight));
  }
  return resolver_.Resolve(subjects);
}

void PlanMaker::ResolveNodes() {
  const auto count = static_cast<NodeId>(analysis_.graph.nodes().size());
  for (NodeId id = 0; id < count; ++id) {
    Resolved resolved = ResolveNode(id);
    const NodeTraits& traits = Traits(id);
    NodePlan& plan = PlanOf(id);
    plan.changes = traits.CanChange();
    plan.compute = plan.changes ? resolved.compute : ElementType::kFloat;
    plan.accuracy_level = resolved.accuracy_level;
    plan.why = resolved.why;
    if (!plan.changes)
      plan.why.push_back({"the operator", absl::StrCat("no change: ", traits.fixed_because)});
    floating_[static_cast<std::size_t>(id)] =
        plan.changes && traits.moves_data && !resolved.compute_by_rule;
    resolved_.push_back(std::move(resolved));
  }
}

// The type in which a value leaves its producer, as far as it is decided.
ElementType PlanMaker::Produced(ValueId id) const {
  const Value& value = analysis_.graph.value(id);
  const ElementType original = analysis_.types[static_cast<std::size_t>(id)];
  if (original != ElementType::kFloat) return original;
  if (value.producer == kNone) return io_types_[static_cast<std::size_t>(id)];
  const NodeTraits& traits = Traits(value.producer);
  const bool follows = traits.outputs[static_cast<std::size_t>(value.output)] == SlotRule::kFollows;
  return follows ? PlanOf(value.producer).compute : ElementType::kFloat;
}

ElementType NeededType(const NodeTraits& traits, const NodePlan& plan, int input) {
  switch (traits.inputs[static_cast<std::size_t>(input)]) {
    case SlotRule::kFollows:
      return plan.compute;
    case SlotRule::kFixed:
      return ElementType::kFloat;
    case SlotRule::kAny:
    case SlotRule::kOther:
      break;
  }
  return ElementType::kUndefined;
}

// Floating nodes that hand values to each other share one type, so that no cast falls between them.
std::vector<std::vector<NodeId>> PlanMaker::GroupsOfDataMovers() const {
  const Graph& graph = analysis_.graph;
  std::vector<NodeId> parent(graph.nodes().size());
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&parent](NodeId id) {
    while (parent[static_cast<std::size_t>(id)] != id) {
      auto& up = parent[static_cast<std::size_t>(id)];
      up = parent[static_cast<std::size_t>(up)];
      id = up;
    }
    return id;
  };
  const auto floating = [this](NodeId id) { return floating_[static_cast<std::size_t>(id)]; };
  for (const Value& value : graph.values()) {
    if (value.producer == kNone || !floating(value.producer)) continue;
    for (const Use& use : value.uses) {
      const bool follows =
          Traits(use.node).inputs[static_cast<std::size_t>(use.input)] == SlotRule::kFollows;
      if (floating(use.node) && follows) {
        parent[static_cast<std::size_t>(root(use.node))] = root(value.producer);
      }
    }
  }
  std::map<NodeId, std::vector<NodeId>> groups;
  for (const NodeId id : graph.order()) {
    if (floating(id)) groups[root(id)].push_back(id);
  }
  std::vector<std::vector<NodeId>> result;
  for (auto& [unused, members] : groups) result.push_back(std::move(members));
  return result;
}

// How many casts stand at the group's border if its nodes work in `type`.
int PlanMaker::CastsFor(const std::vector<NodeId>& group, ElementType type) const {
  const Graph& graph = analysis_.graph;
  const absl::flat_hash_set<NodeId> members(group.begin(), group.end());
  absl::flat_hash_set<ValueId> cast;
  for (const NodeId id : group) {
    const Node& node = graph.node(id);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId value = node.inputs[i];
      if (value == kNone || Traits(id).inputs[i] != SlotRule::kFollows) continue;
      if (members.contains(graph.value(value).producer) || IsConvertibleConstant(graph, value)) {
        continue;
      }
      if (Produced(value) != type) cast.insert(value);
    }
    for (const ValueId value : node.outputs) {
      if (value == kNone ||
          analysis_.types[static_cast<std::size_t>(value)] != ElementType::kFloat) {
        continue;
      }
      if (graph.value(value).graph_output && io_types_[static_cast<std::size_t>(value)] != type) {
        cast.insert(value);
      }
      for (const Use& use : graph.value(value).uses) {
        if (members.contains(use.node)) continue;
        const ElementType needed = NeededType(Traits(use.node), PlanOf(use.node), use.input);
        if (needed != ElementType::kUndefined && needed != type) cast.insert(value);
      }
    }
  }
  return static_cast<int>(cast.size());
}

void PlanMaker::DecideDataMovers() {
  for (const std::vector<NodeId>& group : GroupsOfDataMovers()) {
    const ElementType preferred = PlanOf(group.front()).compute;
    if (preferred == ElementType::kFloat) continue;
    if (CastsFor(group, ElementType::kFloat) >= CastsFor(group, preferred)) continue;
    for (const NodeId id : group) {
      PlanOf(id).compute = ElementType::kFloat;
      PlanOf(id).why.push_back({"moving data between float32 nodes", "compute: float32"});
    }
  }
}

void PlanMaker::SettleValueTypes() {
  const auto count = static_cast<ValueId>(analysis_.graph.values().size());
  plan_.types.reserve(static_cast<std::size_t>(count));
  for (ValueId id = 0; id < count; ++id) plan_.types.push_back(Produced(id));
}

}  // namespace onnxquant
