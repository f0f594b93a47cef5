#include "lib/policy/plan_stored_movers.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
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

// The types in which readers of codes take constants, which are their scales, and of which one set
// is enough; kUndefined where those of one do not agree.
absl::flat_hash_map<ValueId, ElementType> TypesOfScales(const PlanContext& context,
                                                        const IdVector<NodePlan>& nodes) {
  absl::flat_hash_map<ValueId, ElementType> types;
  for (const WeightUse& use : context.analysis.weight_uses) {
    const NodeId reader = use.reader.node;
    if (!HoldsCodes(*context.graph().node(reader).proto)) continue;
    ElementType& type = types.try_emplace(use.weight, nodes[reader].compute).first->second;
    if (type != nodes[reader].compute) type = ElementType::kUndefined;
  }
  return types;
}

}  // namespace

StoredMovers DecideStoredMovers(const PlanContext& context, const std::vector<int>& exponents,
                                SettingsResolver& resolver, OutputPlan& plan) {
  StoredMovers stored;
  SharedReasons reasons;
  stored.values.resize(context.graph().values().size(), false);
  const std::vector<WeightUse>& uses = context.analysis.weight_uses;
  const absl::flat_hash_map<ValueId, ElementType> scales = TypesOfScales(context, plan.nodes);
  for (std::size_t i = 0; i < uses.size(); ++i) {
    for (const NodeId link : uses[i].chain) {
      stored.nodes.push_back(link);
      stored.values[context.graph().node(link).outputs[0]] = true;
    }
    if (!MovesAConstant(context, uses[i])) continue;
    const NodeId reader = uses[i].reader.node;
    stored.nodes.push_back(reader);
    const auto found = scales.find(uses[i].weight);
    if (found != scales.end() && found->second != ElementType::kUndefined) {
      const Subject subject = SubjectOfUse(context, i);
      const Resolved resolved = resolver.Resolve({&subject, 1});
      if (!resolved.compute_by_rule && !resolved.weights_by_rule) {
        SetCompute(found->second, "the reader of codes that shares these scales", reasons,
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
