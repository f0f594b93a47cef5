#include "lib/policy/plan_stored_movers.h"

#include <algorithm>
#include <cstddef>
#include <optional>

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

// The type in which readers of codes take this constant, if all that do agree: they are its scales,
// of which one set is enough.
std::optional<ElementType> TypeOfScales(const PlanContext& context, std::size_t use_index,
                                        const IdVector<NodePlan>& nodes) {
  const std::vector<WeightUse>& uses = context.analysis.weight_uses;
  const ValueId weight = uses[use_index].weight;
  std::size_t first = use_index;
  while (first > 0 && uses[first - 1].weight == weight) --first;
  std::optional<ElementType> type;
  for (std::size_t i = first; i < uses.size() && uses[i].weight == weight; ++i) {
    const NodeId reader = uses[i].reader.node;
    if (!HoldsCodes(*context.graph().node(reader).proto)) continue;
    if (type && *type != nodes[reader].compute) return std::nullopt;
    type = nodes[reader].compute;
  }
  return type;
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
    if (const auto scales = TypeOfScales(context, i, plan.nodes); scales) {
      const Subject subject = SubjectOfUse(context, i);
      const Resolved resolved = resolver.Resolve({&subject, 1});
      if (!resolved.compute_by_rule && !resolved.weights_by_rule) {
        SetCompute(*scales, "the reader of codes that shares these scales", reasons,
                   plan.nodes[reader]);
      }
    }
    const WeightCopy copy = CopyFor(context, plan.nodes, exponents, i, resolver);
    SetCompute(copy.format.IsFloat() ? copy.format.type : copy.stored.scale,
               "the stored form of what it reads", reasons, plan.nodes[reader]);
  }
  return stored;
}

}  // namespace onnxquant
