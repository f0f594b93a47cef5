#include "lib/policy/plan_types.h"

#include <cstddef>

namespace onnxquant {

ElementType ProducedType(const PlanContext& context, const IdVector<NodePlan>& nodes,
                         const IoTypes& io, const IdVector<ValueId>& roots, ValueId value_id) {
  const Graph& graph = context.graph();
  const ValueId id = roots[value_id];
  const Value& value = graph.value(id);
  const ElementType original = context.OriginalType(id);
  if (!IsFloat(original)) return original;
  if (value.producer == kNone) {
    const bool constant = value.initializer != nullptr || value.sparse_initializer != nullptr;
    if (constant && !value.graph_input) return original;
    if (value.scope == kMainScope) return io[id];
    const NodePlan& owner = nodes[graph.scope(value.scope).owner];
    return value.graph_input && owner.changes && !owner.mixed ? owner.compute : original;
  }
  const NodePlan& producer = nodes[value.producer];
  const NodeTraits& traits = context.Traits(value.producer);
  const bool follows = traits.outputs[static_cast<std::size_t>(value.output)] == SlotRule::kFollows;
  return follows && !producer.mixed ? producer.compute : original;
}

ElementType NeededType(const Analysis& analysis, const OutputPlan& plan, const Use& slot) {
  const auto input = static_cast<std::size_t>(slot.input);
  const NodePlan& node = plan.nodes[slot.node];
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

IdVector<ElementType> TypesOfValues(const PlanContext& context, const IoTypes& io,
                                    const OutputPlan& plan) {
  IdVector<ElementType> types;
  types.reserve(context.graph().values().size());
  for (ValueId id = 0; id < context.value_count(); ++id) {
    types.push_back(ProducedType(context, plan.nodes, io, plan.read_in_place, id));
  }
  return types;
}

}  // namespace onnxquant
