// The stage that decides the nodes that only move data.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_MOVERS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_MOVERS_H_

#include "lib/policy/mover_regions.h"

namespace onnxquant {

// They take the types that cost the fewest casts, which are set in plan.nodes. `movers`: by NodeId,
// those whose type is open; `stored`: see OpenRegions().
void DecideDataMovers(const Neighbourhood& around, const IdVector<bool>& movers,
                      const IdVector<bool>& stored, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_MOVERS_H_
