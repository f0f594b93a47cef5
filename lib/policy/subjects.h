// Nodes and their constants as the rules of a policy see them.
#ifndef ONNXQUANT_LIB_POLICY_SUBJECTS_H_
#define ONNXQUANT_LIB_POLICY_SUBJECTS_H_

#include <optional>
#include <string>

#include "lib/policy/plan_context.h"

namespace onnxquant {

// The node itself. Its constants are subjects of their own: plan_weights.h.
Subject SubjectOf(const PlanContext& context, NodeId node);

// The value whose moments say how much each input of the product with the constant counts; "" where
// there is no calibration, or it does not know.
std::string StatisticOf(const PlanContext& context, const WeightUse& use);

// The largest measured magnitude among the node's outputs.
std::optional<double> PeakOf(const PlanContext& context, NodeId node);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_SUBJECTS_H_
