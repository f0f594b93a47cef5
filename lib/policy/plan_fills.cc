#include "lib/policy/plan_fills.h"

#include "absl/strings/str_cat.h"

namespace onnxquant {

void LimitFills(const PlanContext& context, OutputPlan& plan) {
  const MaskLimits& limits = context.analysis.mask_limits;
  if (limits.empty()) return;
  for (WeightPlan& weight : plan.weights) {
    const auto found = limits.find(weight.weight);
    if (found == limits.end()) continue;
    for (WeightCopy& copy : weight.copies) {
      const bool half = copy.format.IsFloat() && copy.format.type == ElementType::kFloat16;
      if (!half || copy.overflow != Overflow::kClamp) continue;
      copy.limit = found->second.limit;
      copy.why.push_back({absl::StrCat(found->second.why, ":"),
                          absl::StrCat("constants: at most ±", found->second.limit)});
    }
  }
  for (const auto& [value, limit] : limits) {
    const NodeId node = context.graph().value(value).producer;
    if (node == kNone || plan.nodes[node].compute != ElementType::kFloat16) continue;
    if (plan.nodes[node].overflow == Overflow::kClamp) plan.fill_limits[node] = limit.limit;
  }
}

}  // namespace onnxquant
