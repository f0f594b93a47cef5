// The stage that does to the residual stream what the policy says: rescales it or clips its sums.
// (Float32 sums are the nodes' own affair: plan_nodes.h.)
#ifndef ONNXQUANT_LIB_POLICY_PLAN_RESIDUAL_H_
#define ONNXQUANT_LIB_POLICY_PLAN_RESIDUAL_H_

#include <vector>

#include "absl/status/statusor.h"
#include "lib/policy/plan_context.h"
#include "lib/policy/plan_nodes.h"

namespace onnxquant {

struct ResidualResult {
  bool rescaled = false;
  std::vector<int> exponents;   // by index of weight_uses: the values read are multiplied by 2^this
  std::vector<NodeId> float32;  // nodes that compute in float32 because of the scale
};

// Sets plan.stream and plan.residual, and reasons and types in plan.nodes. Errors: a request that
// speaks of no sum of the stream, or that the stream does not allow (kModel); two scales (kPolicy).
absl::StatusOr<ResidualResult> PlanResidual(const PlanContext& context,
                                            const std::vector<ResidualRequest>& requests,
                                            OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_RESIDUAL_H_
