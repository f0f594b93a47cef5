#include "lib/policy/plan_fills.h"

#include "absl/strings/str_cat.h"

namespace onnxquant {
namespace {

Reason ReasonFor(const MaskLimit& limit) {
  return {absl::StrCat(limit.why, ":"), absl::StrCat("constants: at most ±", limit.limit)};
}

}  // namespace

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
      copy.why.push_back(ReasonFor(found->second));
    }
  }
  for (const auto& [value, limit] : limits) {
    const NodeId node = context.graph().value(value).producer;
    if (node == kNone || plan.nodes[node].compute != ElementType::kFloat16) continue;
    // Of a Constant node the copies above speak.
    const bool makes = context.graph().node(node).proto->op_type() == "ConstantOfShape";
    if (!makes || plan.nodes[node].overflow != Overflow::kClamp) continue;
    plan.fill_limits[node] = limit.limit;
    plan.nodes[node].why.push_back(ReasonFor(limit));
  }
}

}  // namespace onnxquant
