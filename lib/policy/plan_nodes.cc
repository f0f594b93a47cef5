#include <cstddef>

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
    const bool sums = analysis_.roles.nodes[static_cast<std::size_t>(id)].role == Role::kResidual ||
                      IsSkipNorm(analysis_.graph, id);
    if (sums && resolved.residual && resolved.residual->kind == ResidualSetting::Kind::kFloat32) {
      resolved.compute = ElementType::kFloat;
      resolved.compute_by_rule = true;
    }
    const NodeTraits& traits = Traits(id);
    NodePlan& plan = PlanOf(id);
    plan.changes = traits.CanChange();
    plan.compute = plan.changes ? resolved.compute : ElementType::kFloat;
    plan.accuracy_level = resolved.accuracy_level;
    plan.overflow = resolved.overflow;
    plan.why = resolved.why;
    if (!plan.changes)
      plan.why.push_back({"the operator", absl::StrCat("no change: ", traits.fixed_because)});
    floating_[static_cast<std::size_t>(id)] = plan.changes && traits.moves_data &&
                                              !resolved.compute_by_rule &&
                                              plan.compute != ElementType::kFloat;
    resolved_.push_back(std::move(resolved));
  }
}

// The type in which a value leaves its producer, as far as it is decided.
ElementType PlanMaker::Produced(ValueId id) const {
  const Value& value = analysis_.graph.value(id);
  const ElementType original = analysis_.types[static_cast<std::size_t>(id)];
  if (original != ElementType::kFloat) return original;
  if (value.producer == kNone) {
    if (value.initializer != nullptr && !value.graph_input) return original;
    if (value.scope == kMainScope) return io_types_[static_cast<std::size_t>(id)];
    const NodeId owner = analysis_.graph.scope(value.scope).owner;
    return value.graph_input ? PlanOf(owner).compute : ElementType::kFloat;
  }
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

void PlanMaker::SettleValueTypes() {
  const auto count = static_cast<ValueId>(analysis_.graph.values().size());
  plan_.types.reserve(static_cast<std::size_t>(count));
  for (ValueId id = 0; id < count; ++id) plan_.types.push_back(Produced(id));
}

}  // namespace onnxquant
