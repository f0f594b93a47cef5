// The types in which values leave what makes them.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_TYPES_H_
#define ONNXQUANT_LIB_POLICY_PLAN_TYPES_H_

#include "lib/policy/plan_context.h"
#include "lib/policy/plan_io.h"

namespace onnxquant {

// As far as `nodes` say it. `roots`: by ValueId, what the value is before the nodes that are seen
// through.
ElementType ProducedType(const PlanContext& context, const IdVector<NodePlan>& nodes,
                         const IoTypes& io, const IdVector<ValueId>& roots, ValueId value);

// The last stage: by ValueId, what plan.nodes and plan.read_in_place make of each value.
IdVector<ElementType> TypesOfValues(const PlanContext& context, const IoTypes& io,
                                    const OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_TYPES_H_
