#include "lib/policy/plan_fills.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace onnxquant {
namespace {

constexpr double kHalfLargest = 65504.0;

Reason ReasonFor(const MaskLimit& limit) {
  return {absl::StrCat(limit.why, ":"), absl::StrCat("constants: at most ±", limit.limit)};
}

// Whether a number of the type needs the limit: in float32, where the mask is rounded later on.
bool Needs(const OutputPlan& plan, ElementType type, const MaskLimit& limit) {
  if (type == ElementType::kFloat16) return limit.limit < kHalfLargest;
  if (type != ElementType::kFloat) return false;
  return std::any_of(limit.way.begin(), limit.way.end(), [&plan](NodeId node) {
    return plan.nodes[node].compute == ElementType::kFloat16;
  });
}

}  // namespace

void LimitFills(const PlanContext& context, OutputPlan& plan) {
  const MaskLimits& limits = context.analysis.mask_limits;
  if (limits.empty()) return;
  for (WeightPlan& weight : plan.weights) {
    const auto found = limits.find(weight.weight);
    if (found == limits.end()) continue;
    for (WeightCopy& copy : weight.copies) {
      const bool needs = copy.format.IsFloat() && Needs(plan, copy.format.type, found->second);
      if (!needs || copy.overflow != Overflow::kClamp) continue;
      copy.limit = found->second.limit;
      copy.why.push_back(ReasonFor(found->second));
    }
  }
  for (const auto& [value, limit] : limits) {
    const NodeId node = context.graph().value(value).producer;
    if (node == kNone || !Needs(plan, plan.nodes[node].compute, limit)) continue;
    // Of a Constant node the copies above speak.
    const bool makes = context.graph().node(node).proto->op_type() == "ConstantOfShape";
    if (!makes || plan.nodes[node].overflow != Overflow::kClamp) continue;
    plan.fill_limits[node] = limit.limit;
    plan.nodes[node].why.push_back(ReasonFor(limit));
  }
}

}  // namespace onnxquant
