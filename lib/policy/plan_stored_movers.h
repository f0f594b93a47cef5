// The stage that decides the nodes between constants and what computes with them.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_STORED_MOVERS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_STORED_MOVERS_H_

#include <vector>

#include "lib/policy/plan_context.h"

namespace onnxquant {

struct StoredMovers {
  std::vector<NodeId> nodes;  // they run in a type in which a constant is stored
  IdVector<bool> values;      // by ValueId: a constant behind Transposes and Casts
};

// A Gather, Transpose … whose only float input is a constant runs in the type that the constant is
// stored in, which is set in plan.nodes; if it holds scales of codes, in that of the codes' reader;
// of the nodes in the chain of a reading, plan_weights.h decides. `exponents`: of the readings.
StoredMovers DecideStoredMovers(const PlanContext& context, const std::vector<int>& exponents,
                                SettingsResolver& resolver, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_STORED_MOVERS_H_
