#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/policy/plan_maker.h"
#include "lib/policy/plan_weights.h"
#include "lib/policy/subjects.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {

Resolved PlanMaker::ResolveNode(NodeId id) {
  std::vector<Subject> subjects = {SubjectOf(context_, id)};
  for (const std::size_t use : uses_of_reader_[static_cast<std::size_t>(id)]) {
    subjects.push_back(SubjectOfUse(context_, use));
  }
  return resolver_.Resolve(subjects);
}

// The type of the node's arithmetic in the source model. Slots that disagree, as those of a norm of
// mixed types do, are no arithmetic that could be kept: they meet in float32, which holds them all.
ElementType PlanMaker::SourceCompute(NodeId id) const {
  const Node& node = analysis_.graph.node(id);
  const NodeTraits& traits = Traits(id);
  ElementType found = ElementType::kUndefined;
  const auto take = [&](ValueId value, SlotRule rule) {
    const bool counts = rule == (traits.CanChange() ? SlotRule::kFollows : SlotRule::kFixed);
    if (!counts || found == OriginalType(value)) return;
    const ElementType type = OriginalType(value);
    if (found == ElementType::kUndefined) {
      found = type;
    } else {
      const bool wide = found == ElementType::kDouble || type == ElementType::kDouble;
      found = wide ? ElementType::kDouble : ElementType::kFloat;
    }
  };
  for (std::size_t i = 0; i < node.outputs.size(); ++i) take(node.outputs[i], traits.outputs[i]);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) take(node.inputs[i], traits.inputs[i]);
  return found == ElementType::kUndefined ? ElementType::kFloat : found;
}

// Whether the slots that follow the compute type hold several types in the source, and may: slots
// that ONNX's schema gives one type variable agree in a valid model. (A norm of mixed types, which
// the CPU provider accepts, is none.)
bool PlanMaker::MayMixTypes(NodeId id) const {
  const Node& node = analysis_.graph.node(id);
  const onnx::OpSchema* schema =
      FindContribOp(node.proto->domain(), node.proto->op_type()) == nullptr
          ? FindSchema(analysis_.graph.model(), *node.proto)
          : nullptr;
  if (schema == nullptr) return false;
  std::map<std::string, ElementType> by_variable;
  std::set<ElementType> types;
  const auto agrees = [&](ValueId value, SlotRule rule,
                          const onnx::OpSchema::FormalParameter* formal) {
    if (rule != SlotRule::kFollows) return true;
    types.insert(OriginalType(value));
    if (formal == nullptr || !formal->GetIsHomogeneous()) return true;
    return by_variable.emplace(formal->GetTypeStr(), OriginalType(value)).first->second ==
           OriginalType(value);
  };
  bool valid = true;
  for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    valid = valid && agrees(node.inputs[at], Traits(id).inputs[at], FormalInput(*schema, i));
  }
  for (int i = 0; i < static_cast<int>(node.outputs.size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    valid = valid && agrees(node.outputs[at], Traits(id).outputs[at], FormalOutput(*schema, i));
  }
  return valid && types.size() > 1;
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
    const bool as_it_is = !plan.changes || resolved.compute == kAsInSource;
    plan.compute = as_it_is ? SourceCompute(id) : resolved.compute;
    plan.mixed = plan.changes && as_it_is && resolved.compute_by_rule && MayMixTypes(id);
    plan.accuracy_level = static_cast<std::int8_t>(resolved.accuracy_level);
    plan.overflow = resolved.overflow;
    plan.why = resolved.why;
    if (traits.only_widens && IsHalf(plan.compute) && SourceCompute(id) != plan.compute) {
      plan.compute = ElementType::kFloat;
      plan.why.push_back(
          Because("the operator", "float32: scales of quantized numbers are not narrowed"));
    }
    if (traits.float32_because != nullptr && IsHalf(plan.compute)) {
      plan.compute = ElementType::kFloat;
      plan.why.push_back(
          Because("the operator", absl::StrCat("float32: ", traits.float32_because)));
    }
    if (!plan.changes)
      plan.why.push_back(
          Because("the operator", absl::StrCat("no change: ", traits.fixed_because)));
    floating_[static_cast<std::size_t>(id)] =
        plan.changes && traits.float32_because == nullptr && traits.moves_data &&
        !traits.float_cast && !resolved.compute_by_rule && resolved.compute != ElementType::kFloat;
    resolved_.push_back(std::move(resolved));
  }
}

// The type in which a value leaves its producer, as far as it is decided.
ElementType PlanMaker::Produced(ValueId id) const {
  id = roots_[static_cast<std::size_t>(id)];
  const Value& value = analysis_.graph.value(id);
  const ElementType original = OriginalType(id);
  if (!IsFloat(original)) return original;
  if (value.producer == kNone) {
    const bool constant = value.initializer != nullptr || value.sparse_initializer != nullptr;
    if (constant && !value.graph_input) return original;
    if (value.scope == kMainScope) return io_types_[static_cast<std::size_t>(id)];
    const NodePlan& owner = PlanOf(analysis_.graph.scope(value.scope).owner);
    return value.graph_input && owner.changes && !owner.mixed ? owner.compute : original;
  }
  const NodeTraits& traits = Traits(value.producer);
  const bool follows = traits.outputs[static_cast<std::size_t>(value.output)] == SlotRule::kFollows;
  return follows && !PlanOf(value.producer).mixed ? PlanOf(value.producer).compute : original;
}

ElementType NeededType(const Analysis& analysis, const OutputPlan& plan, const Use& slot) {
  const auto input = static_cast<std::size_t>(slot.input);
  const NodePlan& node = plan.nodes[static_cast<std::size_t>(slot.node)];
  const ValueId value = analysis.graph.node(slot.node).inputs[input];
  const ElementType original = analysis.types[static_cast<std::size_t>(value)];
  switch (analysis.Traits(slot.node, plan.half).inputs[input]) {
    case SlotRule::kFollows:
      return node.mixed ? original : node.compute;
    case SlotRule::kFloat32:
      return ElementType::kFloat;
    case SlotRule::kFixed:
      return original;
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
