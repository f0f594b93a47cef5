// The stage that decides how constants are stored.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_WEIGHTS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_WEIGHTS_H_

#include <cstddef>
#include <vector>

#include "lib/policy/plan_context.h"
#include "lib/policy/value_names.h"

namespace onnxquant {

// A constant as the rules of a policy see it: with the node that reads it. A `use` is an index into
// Analysis::weight_uses.
Subject SubjectOfUse(const PlanContext& context, std::size_t use);

// The stored form that one reading wants, without names, as the types of `nodes` stand. `exponents`
// are those of all readings.
WeightCopy CopyFor(const PlanContext& context, const IdVector<NodePlan>& nodes,
                   const std::vector<int>& exponents, std::size_t use, SettingsResolver& resolver);

// Sets plan.weights, and in plan.nodes the types of the Transposes between a constant and its
// readers.
void PlanWeights(const PlanContext& context, const std::vector<int>& exponents,
                 SettingsResolver& resolver, ValueNames& names, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_WEIGHTS_H_
