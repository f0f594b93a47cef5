// What scaling or clipping the residual stream puts into the graph.
#ifndef ONNXQUANT_LIB_REWRITE_RESIDUAL_H_
#define ONNXQUANT_LIB_REWRITE_RESIDUAL_H_

#include <string>

#include "lib/rewrite/graph_writer.h"
#include "lib/rewrite/rewrite_input.h"

namespace onnxquant {

// Multiplies the node's epsilon as the plan says.
void ScaleEpsilon(const RewriteInput& input, NodeId id, onnx::NodeProto& node);

// `name`, under which the slot reads its value, or what a Mul makes of it where the plan wants the
// slot's value scaled.
std::string ScaledInputName(const RewriteInput& input, const Use& slot, const std::string& name,
                            GraphWriter& writer);

// The node, and a Clip of its first output to the plan's limit.
void EmitWithClip(const RewriteInput& input, NodeId id, onnx::NodeProto node, GraphWriter& writer);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_RESIDUAL_H_
