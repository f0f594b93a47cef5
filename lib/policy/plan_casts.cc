// The Casts between float types that the source model has. They stand where some earlier conversion
// wanted them; this one places its own, so they are seen through: a value and what such a Cast
// makes of it are one, and the Cast is left out where nothing asks for it.
#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"
#include "lib/policy/plan_maker.h"

namespace onnxquant {

// The names of graph outputs stay, so that what makes one is not simply left out.
bool PlanMaker::MakesMainOutput(NodeId id) const {
  const Value& output = analysis_.graph.value(analysis_.graph.node(id).outputs[0]);
  return output.graph_output && output.scope == kMainScope;
}

void PlanMaker::FindTransparent() {
  for (NodeId id = 0; id < static_cast<NodeId>(transparent_.size()); ++id) {
    const auto at = static_cast<std::size_t>(id);
    if (!Traits(id).float_cast || !PlanOf(id).changes || resolved_[at].compute_by_rule) continue;
    transparent_[at] = !MakesMainOutput(id);
  }
}

// A Cast that makes a graph output makes it in the type that the output is to have.
void PlanMaker::FollowIoTypes() {
  for (NodeId id = 0; id < static_cast<NodeId>(transparent_.size()); ++id) {
    const auto at = static_cast<std::size_t>(id);
    if (!Traits(id).float_cast || !PlanOf(id).changes || resolved_[at].compute_by_rule) continue;
    if (!MakesMainOutput(id)) continue;
    PlanOf(id).compute = io_types_[static_cast<std::size_t>(analysis_.graph.node(id).outputs[0])];
  }
}

ValueId ReadInPlaceOf(const Graph& graph, const OutputPlan& plan, ValueId value) {
  for (NodeId producer = graph.value(value).producer;
       producer != kNone && plan.nodes[static_cast<std::size_t>(producer)].passes;
       producer = graph.value(value).producer) {
    value = graph.node(producer).inputs[0];
  }
  return value;
}

void PlanMaker::SettleCasts() {
  const Graph& graph = analysis_.graph;
  // What a Cast to a graph output reads can take that output's name, one of them each.
  absl::flat_hash_set<ValueId> named;
  const auto takes_name = [&](NodeId cast) {
    const ValueId input = ReadInPlaceOf(graph, plan_, graph.node(cast).inputs[0]);
    const Value& value = graph.value(input);
    return value.producer != kNone && value.scope == kMainScope && !value.graph_output &&
           !IsConvertibleConstant(graph, input) && named.insert(input).second;
  };
  for (const NodeId id : graph.order()) {
    NodePlan& plan = PlanOf(id);
    if (IsTransparent(id)) {
      plan.compute = Produced(graph.node(id).inputs[0]);
      plan.passes = true;
      continue;
    }
    if (!Traits(id).float_cast || !plan.changes || plan.passes) continue;
    const bool same = Produced(graph.node(id).inputs[0]) == plan.compute;
    plan.passes = same && (!MakesMainOutput(id) || takes_name(id));
  }
}

// A clamp that kept the sums of the stream within float16 distorts them where they need it no more.
void PlanMaker::TakeClipsOut() {
  std::size_t taken = 0;
  double limit = 0;
  for (const StreamClip& clip : analysis_.residual.clips) {
    const NodePlan& sum = PlanOf(clip.sum);
    NodePlan& plan = PlanOf(clip.clip);
    const bool needed = IsHalf(sum.compute) && !rescaled_ && sum.clip == 0;
    const bool kept = resolved_[static_cast<std::size_t>(clip.clip)].keep;
    if (needed || kept || !plan.changes || MakesMainOutput(clip.clip)) continue;
    transparent_[static_cast<std::size_t>(clip.clip)] = true;
    limit = std::max(limit, clip.limit);
    ++taken;
    const char* because = rescaled_      ? "the stream is rescaled to fit"
                          : sum.clip > 0 ? "the policy clips the sum itself"
                                         : "the sum that it clamps is computed in float32";
    plan.why.push_back(
        {because, absl::StrCat("the clamp to ±", NumberText(clip.limit), ": taken out")});
  }
  if (taken == 0) return;
  absl::StrAppend(&plan_.residual, plan_.residual.empty() ? "" : "; ", taken,
                  taken == 1 ? " Clip" : " Clips", " of its sums to ±", NumberText(limit),
                  " taken out");
}

}  // namespace onnxquant
