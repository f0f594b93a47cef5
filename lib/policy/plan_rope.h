// The stages that decide what becomes of the tables of rotary embeddings.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_ROPE_H_
#define ONNXQUANT_LIB_POLICY_PLAN_ROPE_H_

#include "lib/policy/plan_context.h"
#include "lib/policy/plan_nodes.h"
#include "lib/policy/value_names.h"

namespace onnxquant {

// Nodes that make such a table from constants compute in float32, whatever rules say: no 16-bit
// type holds the angles of far positions. Changes plan.nodes, and takes them out of
// resolved.movers.
void KeepAngles(const PlanContext& context, ResolvedNodes& resolved, OutputPlan& plan);

// Sets plan.rope. Where a table cannot be what the policy says, it stays, with the reason.
void PlanRope(const PlanContext& context, SettingsResolver& resolver, ValueNames& names,
              OutputPlan& plan);

// Makes the stored form of a table what the plan says of it; that of other constants stays.
void TakeRopeForm(const Graph& graph, ValueId weight, const RopePlan& rope, WeightCopy& copy);

// After PlanWeights: tables that are made in the same way become one value. Says what is done with
// each in plan.weights, and with all of them in plan.rope_cache.
void SettleRope(const PlanContext& context, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_ROPE_H_
