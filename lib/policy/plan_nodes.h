// The stage that asks the policy, and the operators, in which type each node computes.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_NODES_H_
#define ONNXQUANT_LIB_POLICY_PLAN_NODES_H_

#include <vector>

#include "lib/policy/plan_context.h"

namespace onnxquant {

// What the policy asks of the residual stream at a node.
struct ResidualRequest {
  NodeId node = kNone;
  ResidualSetting setting;
  Reason reason;  // that which set it
};

// What later stages need to know of the policy's answers beyond plan.nodes.
struct ResolvedNodes {
  IdVector<bool> by_rule;  // by NodeId: a rule, not the output's default, chose the compute type
  IdVector<bool> kept;     // by NodeId: a rule keeps the node as it is
  IdVector<bool> movers;   // by NodeId: it only moves data, and its type is open
  std::vector<ResidualRequest> residual;  // in the order of the nodes
};

// Sets plan.nodes.
ResolvedNodes ResolveNodes(const PlanContext& context, SettingsResolver& resolver,
                           OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_NODES_H_
