#include "lib/policy/plan_stored_movers.h"

#include <algorithm>
#include <cstddef>

#include "lib/policy/plan_weights.h"
#include "lib/policy/shared_reasons.h"

namespace onnxquant {
namespace {

// Its (smaller) output is cast, never the table.
bool MovesAConstant(const PlanContext& context, const WeightUse& use) {
  const NodeTraits& traits = context.Traits(use.reader.node);
  return traits.moves_data && traits.CanChange() &&
         std::count(traits.inputs.begin(), traits.inputs.end(), SlotRule::kFollows) == 1 &&
         traits.inputs[static_cast<std::size_t>(use.reader.input)] == SlotRule::kFollows;
}

}  // namespace

StoredMovers DecideStoredMovers(const PlanContext& context, const std::vector<int>& exponents,
                                SettingsResolver& resolver, OutputPlan& plan) {
  StoredMovers stored;
  SharedReasons reasons;
  stored.values.resize(context.graph().values().size(), false);
  const std::vector<WeightUse>& uses = context.analysis.weight_uses;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    for (const NodeId link : uses[i].chain) {
      stored.nodes.push_back(link);
      stored.values[context.graph().node(link).outputs[0]] = true;
    }
    if (!MovesAConstant(context, uses[i])) continue;
    const NodeId reader = uses[i].reader.node;
    stored.nodes.push_back(reader);
    const WeightCopy copy = CopyFor(context, plan.nodes, exponents, i, resolver);
    SetCompute(copy.format.IsFloat() ? copy.format.type : copy.stored.scale,
               "the stored form of what it reads", reasons, plan.nodes[reader]);
  }
  return stored;
}

}  // namespace onnxquant
