#include "lib/policy/plan_casts.h"

#include <numeric>

#include "absl/container/flat_hash_set.h"
#include "lib/policy/plan_types.h"
#include "lib/policy/shared_reasons.h"

namespace onnxquant {
namespace {

// A Cast between float types of whose output type no rule speaks.
bool IsOpenCast(const PlanContext& context, const ResolvedNodes& resolved, const OutputPlan& plan,
                NodeId id) {
  return context.Traits(id).float_cast && plan.nodes[id].changes && !resolved.by_rule[id];
}

IdVector<ValueId> Themselves(const Graph& graph) {
  IdVector<ValueId> values(graph.values().size());
  std::iota(values.begin(), values.end(), 0);
  return values;
}

// Decides, in the order of the nodes, which are left out.
class CastSettler {
 public:
  CastSettler(const PlanContext& context, const IoTypes& io, const ValueNames& names,
              OutputPlan& plan)
      : context_(context), graph_(context.graph()), io_(io), names_(names), plan_(plan) {}

  // A node that is seen through.
  void SettleSeenThrough(NodeId id) {
    NodePlan& plan = plan_.nodes[id];
    const ValueId source = SourceOf(id);
    const Value& output = OutputOf(id);
    SetCompute(Produced(source), "what it reads", reasons_, plan);
    plan.passes = !IsBodyOutput(output) || MayBeGivenOut(source, output);
    if (plan.passes) return LeaveOut(id, source);
    // The body needs a value of its own to give.
    const NodePlan& owner = plan_.nodes[graph_.scope(output.scope).owner];
    const ElementType given = owner.changes && !owner.mixed
                                  ? owner.compute
                                  : context_.OriginalType(graph_.node(id).outputs[0]);
    SetCompute(given, "the node whose body gives its output", reasons_, plan);
  }

  // A Cast whose type is decided.
  void SettleDecided(NodeId id) {
    NodePlan& plan = plan_.nodes[id];
    const ValueId source = SourceOf(id);
    const Value& output = OutputOf(id);
    plan.passes = !IsBodyOutput(output) && !IsConvertibleConstant(graph_, source) &&
                  Produced(source) == plan.compute &&
                  (!MakesMainOutput(graph_, id) ||
                   (!names_.shared.contains(output.name) && MayBeGivenOut(source, output)));
    if (plan.passes) LeaveOut(id, source);
  }

 private:
  ValueId SourceOf(NodeId id) const { return plan_.read_in_place[graph_.node(id).inputs[0]]; }
  const Value& OutputOf(NodeId id) const { return graph_.value(graph_.node(id).outputs[0]); }
  static bool IsBodyOutput(const Value& value) {
    return value.graph_output && value.scope != kMainScope;
  }
  ElementType Produced(ValueId value) const {
    return ProducedType(context_, plan_.nodes, io_, plan_.read_in_place, value);
  }
  // Of the values that give way to their source, one per scope can make that an output.
  bool MayBeGivenOut(ValueId source, const Value& output) {
    const Value& value = graph_.value(source);
    return value.producer != kNone && value.scope == output.scope && !value.graph_output &&
           !IsConvertibleConstant(graph_, source) && given_out_.insert(source).second;
  }
  void LeaveOut(NodeId id, ValueId source) {
    plan_.read_in_place[graph_.node(id).outputs[0]] = source;
  }

  const PlanContext& context_;
  const Graph& graph_;
  const IoTypes& io_;
  const ValueNames& names_;
  OutputPlan& plan_;
  absl::flat_hash_set<ValueId> given_out_;
  SharedReasons reasons_;
};

}  // namespace

bool MakesMainOutput(const Graph& graph, NodeId node) {
  const Value& output = graph.value(graph.node(node).outputs[0]);
  return output.graph_output && output.scope == kMainScope;
}

SeenThrough FindOpenCasts(const PlanContext& context, const ResolvedNodes& resolved,
                          const OutputPlan& plan) {
  SeenThrough casts(plan.nodes.size());
  for (NodeId id = 0; id < context.node_count(); ++id) {
    casts[id] = IsOpenCast(context, resolved, plan, id) && !MakesMainOutput(context.graph(), id);
  }
  return casts;
}

void DecideOutputCasts(const PlanContext& context, const ResolvedNodes& resolved, const IoTypes& io,
                       OutputPlan& plan) {
  SharedReasons reasons;
  for (NodeId id = 0; id < context.node_count(); ++id) {
    if (!IsOpenCast(context, resolved, plan, id) || !MakesMainOutput(context.graph(), id)) continue;
    SetCompute(io[context.graph().node(id).outputs[0]], "the graph output that it makes", reasons,
               plan.nodes[id]);
  }
}

IdVector<ValueId> RootsOf(const Graph& graph, const SeenThrough& seen_through) {
  IdVector<ValueId> roots = Themselves(graph);
  for (const NodeId id : graph.order()) {
    if (!seen_through[id]) continue;
    roots[graph.node(id).outputs[0]] = roots[graph.node(id).inputs[0]];
  }
  return roots;
}

void SettleCasts(const PlanContext& context, const SeenThrough& seen_through, const IoTypes& io,
                 const ValueNames& names, OutputPlan& plan) {
  plan.read_in_place = Themselves(context.graph());
  CastSettler settler(context, io, names, plan);
  for (const NodeId id : context.graph().order()) {
    if (seen_through[id]) {
      settler.SettleSeenThrough(id);
    } else if (context.Traits(id).float_cast && plan.nodes[id].changes) {
      settler.SettleDecided(id);
    }
  }
}

}  // namespace onnxquant
