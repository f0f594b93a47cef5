// The stage that takes out clamps of the source model that the residual stream needs no more.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_CLIPS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_CLIPS_H_

#include "lib/policy/mover_regions.h"
#include "lib/policy/plan_nodes.h"

namespace onnxquant {

// A clamp that kept the sums of the stream within float16 distorts them where they need it no more:
// where the stream is `rescaled`, where the policy clips the sum itself, or where nothing holds it
// in a half type. Gives `casts`, which are seen through, and the clamps that are too; says so in
// plan.residual and plan.nodes.
SeenThrough TakeClipsOut(const PlanContext& context, const ResolvedNodes& resolved, bool rescaled,
                         const IoTypes& io, const SeenThrough& casts, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_CLIPS_H_
