// The Casts between float types that the source model has. They stand where some earlier conversion
// wanted them; this one places its own, so they are seen through: a value and what such a Cast
// makes of it are one, and the Cast is left out where nothing asks for it.
#ifndef ONNXQUANT_LIB_POLICY_PLAN_CASTS_H_
#define ONNXQUANT_LIB_POLICY_PLAN_CASTS_H_

#include <vector>

#include "lib/policy/plan_context.h"
#include "lib/policy/plan_io.h"
#include "lib/policy/plan_nodes.h"
#include "lib/policy/value_names.h"

namespace onnxquant {

// Whether the node's output is one of the main graph's. Their names stay, so that what makes one is
// not simply left out.
bool MakesMainOutput(const Graph& graph, NodeId node);

// By NodeId: the output has the type of the first input, and is the same value.
using SeenThrough = IdVector<bool>;

// The Casts of whose output type no rule speaks and that make no output of the main graph.
SeenThrough FindOpenCasts(const PlanContext& context, const ResolvedNodes& resolved,
                          const OutputPlan& plan);

// A Cast that makes a graph output makes it in the type that the output is to have: sets the types
// of such Casts in plan.nodes.
void DecideOutputCasts(const PlanContext& context, const ResolvedNodes& resolved, const IoTypes& io,
                       OutputPlan& plan);

// By ValueId: what the value is before the nodes that are seen through.
IdVector<ValueId> RootsOf(const Graph& graph, const SeenThrough& seen_through);

// Of the Casts and of what else is seen through, decides what is left out: sets plan.read_in_place
// and, in plan.nodes, `passes` and the types of what stays.
void SettleCasts(const PlanContext& context, const SeenThrough& seen_through, const IoTypes& io,
                 const ValueNames& names, OutputPlan& plan);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_PLAN_CASTS_H_
