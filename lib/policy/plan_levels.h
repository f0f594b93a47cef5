// The stage that keeps ONNX Runtime's CPU provider right where products share codes.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_LEVELS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_LEVELS_H_

#include "lib/policy/plan_context.h"

namespace onnxquant {

// Takes accuracy_level 4 from float16 products of one set of codes, as layers that share their
// weights have them. ONNX Runtime 1.30 widens some of such nodes and packs the codes once for both
// types: the results are 60 % off, without a message.
void LowerSharedLevels(const PlanContext& context, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_LEVELS_H_
