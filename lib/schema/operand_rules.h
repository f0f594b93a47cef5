// What must hold of a node before ONNX's own code may look at it.
#ifndef ONNXQUANT_LIB_SCHEMA_OPERAND_RULES_H_
#define ONNXQUANT_LIB_SCHEMA_OPERAND_RULES_H_

#include <string>

#include "onnx/defs/schema.h"
#include "onnx/defs/shape_inference.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// What keeps ONNX's inference from this node; empty if nothing does.
std::string WhyNotToInfer(const onnx::OpSchema& schema, const onnx::InferenceContext& context);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SCHEMA_OPERAND_RULES_H_
