// What the rewritten model says of itself: what it takes over from the input, declared types, and
// where it comes from.
#ifndef ONNXQUANT_LIB_REWRITE_DECLARATIONS_H_
#define ONNXQUANT_LIB_REWRITE_DECLARATIONS_H_

#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/rewrite.h"
#include "lib/rewrite/sealed_nodes.h"

namespace onnxquant {

// All of the input that stays but nodes, initializers and value_info.
Rewritten StartFromInput(const onnx::ModelProto& input);

// Gives the graph's inputs and outputs the types that the plan has for them.
void DeclareInputsAndOutputs(const RewriteInput& input, onnx::GraphProto& main);

// The input's value_info of what is still made, by the nodes of `sealed` and of `out`, under its
// name, in its new type. A constant speaks for itself.
void DeclareValues(const EmitInput& input, ScopeId scope, const SealedNodes& sealed,
                   onnx::GraphProto& out);

void CountValues(const EmitInput& input, Rewritten& result);

void AddProvenance(const OutputPlan& plan, onnx::ModelProto& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_DECLARATIONS_H_
