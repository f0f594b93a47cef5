// ONNX's shape and type inference for models that nobody has checked.
#ifndef ONNXQUANT_LIB_SCHEMA_GUARDED_INFERENCE_H_
#define ONNXQUANT_LIB_SCHEMA_GUARDED_INFERENCE_H_

#include "onnx/onnx_pb.h"

namespace onnxquant {

// Adds to the model's value_info what ONNX's inference finds out, as onnx::shape_inference does.
//
// Most inference functions of ONNX's operators read their node's inputs and attributes without
// asking whether they are there and of the kind that the schema says; where they are not, the
// program crashes. So each is called only for a node whose operands and attributes agree with the
// schema as far as it has come by then, bodies and functions included, and which breaks none of
// operand_rules.h. What other nodes make stays without a type, as behind operators that ONNX does
// not define.
void InferShapesGuarded(onnx::ModelProto& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SCHEMA_GUARDED_INFERENCE_H_
