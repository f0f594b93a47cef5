// The stage that keeps small islands of arithmetic in float32.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_ISLANDS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_ISLANDS_H_

#include "lib/policy/mover_regions.h"

namespace onnxquant {

// Elementwise arithmetic whose neighbours all work in float32, as between quantized products: in
// the half type it would cost casts and save nothing. Sets types in plan.nodes. `by_rule` and
// `movers`: by NodeId, whether a rule decided the type, and whether the node only moves data;
// `stored`: see OpenRegions().
void KeepIslands(const Neighbourhood& around, const IdVector<bool>& by_rule,
                 const IdVector<bool>& movers, const IdVector<bool>& stored, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_ISLANDS_H_
