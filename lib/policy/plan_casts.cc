// The Casts between float types that the source model has. They stand where some earlier conversion
// wanted them; this one places its own, so they are seen through: a value and what such a Cast
// makes of it are one, and the Cast is left out where nothing asks for it.
#include <cstddef>

#include "lib/policy/plan_maker.h"

namespace onnxquant {

// The names of graph outputs stay, so that what makes one is not simply left out.
bool PlanMaker::MakesMainOutput(NodeId id) const {
  const Value& output = analysis_.graph.value(analysis_.graph.node(id).outputs[0]);
  return output.graph_output && output.scope == kMainScope;
}

// A Cast between float types of whose output type no rule speaks.
bool PlanMaker::IsOpenCast(NodeId id) const {
  return Traits(id).float_cast && PlanOf(id).changes &&
         !resolved_[static_cast<std::size_t>(id)].compute_by_rule;
}

void PlanMaker::FindTransparent() {
  for (NodeId id = 0; id < static_cast<NodeId>(transparent_.size()); ++id) {
    transparent_[static_cast<std::size_t>(id)] = IsOpenCast(id) && !MakesMainOutput(id);
  }
}

// A Cast that makes a graph output makes it in the type that the output is to have.
void PlanMaker::FollowIoTypes() {
  for (NodeId id = 0; id < static_cast<NodeId>(transparent_.size()); ++id) {
    if (!IsOpenCast(id) || !MakesMainOutput(id)) continue;
    PlanOf(id).compute = io_types_[static_cast<std::size_t>(analysis_.graph.node(id).outputs[0])];
  }
}

void PlanMaker::FindRoots() {
  for (const NodeId id : analysis_.graph.order()) {
    if (!IsTransparent(id)) continue;
    const Node& node = analysis_.graph.node(id);
    roots_[static_cast<std::size_t>(node.outputs[0])] =
        roots_[static_cast<std::size_t>(node.inputs[0])];
  }
}

void PlanMaker::SettleCasts() {
  const Graph& graph = analysis_.graph;
  std::vector<ValueId>& read = plan_.read_in_place;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) read.push_back(id);
  roots_ = read;
  // Of the values that give way to their source, one per scope can make that an output.
  absl::flat_hash_set<ValueId> given_out;
  const auto may_be_given_out = [&](ValueId source, const Value& output) {
    const Value& value = graph.value(source);
    return value.producer != kNone && value.scope == output.scope && !value.graph_output &&
           !IsConvertibleConstant(graph, source) && given_out.insert(source).second;
  };
  for (const NodeId id : graph.order()) {
    NodePlan& plan = PlanOf(id);
    if (!IsTransparent(id) && (!Traits(id).float_cast || !plan.changes)) continue;
    const Node& node = graph.node(id);
    const Value& output = graph.value(node.outputs[0]);
    const ValueId source = read[static_cast<std::size_t>(node.inputs[0])];
    const bool body_output = output.graph_output && output.scope != kMainScope;
    if (IsTransparent(id)) {
      plan.compute = Produced(source);
      plan.passes = !body_output || may_be_given_out(source, output);
      if (!plan.passes) {  // the body needs a value of its own to give
        const NodePlan& owner = PlanOf(graph.scope(output.scope).owner);
        plan.compute =
            owner.changes && !owner.mixed ? owner.compute : OriginalType(node.outputs[0]);
        transparent_[static_cast<std::size_t>(id)] = false;
      }
    } else {
      const bool named = output.graph_output && output.scope == kMainScope;
      plan.passes =
          !body_output && !IsConvertibleConstant(graph, source) &&
          Produced(source) == plan.compute &&
          (!named || (!names_.shared.contains(output.name) && may_be_given_out(source, output)));
    }
    if (!plan.passes) continue;
    read[static_cast<std::size_t>(node.outputs[0])] = source;
    roots_[static_cast<std::size_t>(node.outputs[0])] = source;
  }
}

}  // namespace onnxquant
