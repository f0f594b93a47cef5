// What rewriting reads and never changes.
#ifndef ONNXQUANT_LIB_REWRITE_REWRITE_INPUT_H_
#define ONNXQUANT_LIB_REWRITE_REWRITE_INPUT_H_

#include <cstddef>

#include "lib/model/element_type.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"

namespace onnxquant {

// The input model, what is known of it, and what is to become of it.
struct RewriteInput {
  const Model& model;
  const Analysis& analysis;
  const OutputPlan& plan;

  const Graph& graph() const { return analysis.graph; }

  const NodePlan& PlanOf(NodeId id) const { return plan.nodes[id]; }
  const NodeTraits& Traits(NodeId id) const { return analysis.Traits(id, plan.half); }

  // Of a slot: the value that it reads, or kNone.
  ValueId ValueAt(const Use& slot) const {
    return graph().node(slot.node).inputs[static_cast<std::size_t>(slot.input)];
  }

  // In the input, and as it leaves its producer in the output.
  ElementType OriginalType(ValueId id) const {
    return analysis.types[static_cast<std::size_t>(id)];
  }
  ElementType TypeOf(ValueId id) const { return plan.types[id]; }
  bool IsFloatValue(ValueId id) const { return IsFloat(OriginalType(id)); }

  // Itself, or what stands for it where the plan leaves out what made it.
  ValueId ReadInPlaceOf(ValueId id) const { return plan.read_in_place[id]; }
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_REWRITE_INPUT_H_
