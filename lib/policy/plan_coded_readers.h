// The stage that decides the types of what reads weights that the source has in codes.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_CODED_READERS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_CODED_READERS_H_

#include <vector>

#include "lib/policy/plan_context.h"

namespace onnxquant {

// Sets types in plan.nodes and returns the nodes that it decided. A Gather whose rows are to be
// read in blocks of codes gives them in the type of their scales. What reads scales that float16
// cannot hold computes in float32, where a number that does not fit is an error and no rule names
// the weight or its reader.
absl::StatusOr<std::vector<NodeId>> DecideCodedReaders(const PlanContext& context,
                                                       SettingsResolver& resolver,
                                                       OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_CODED_READERS_H_
