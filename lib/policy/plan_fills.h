// The stage that keeps sums of mask fills within float16.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_FILLS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_FILLS_H_

#include "lib/policy/plan_context.h"

namespace onnxquant {

// Where the policy clamps what float16 cannot hold: constants of Analysis::mask_limits that are
// stored in float16 are clamped to their limits instead, those of a ConstantOfShape too.
void LimitFills(const PlanContext& context, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_FILLS_H_
