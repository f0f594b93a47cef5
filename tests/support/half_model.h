// 16-bit models, made of float32 ones, for tests.
#ifndef ONNXQUANT_TESTS_SUPPORT_HALF_MODEL_H_
#define ONNXQUANT_TESTS_SUPPORT_HALF_MODEL_H_

#include "onnx/onnx_pb.h"

namespace onnxquant {

// The model with all its float32 made float16 (or bfloat16), as a converter does that knows no
// exceptions: inputs, outputs, initializers, constants in attributes, and Casts to float32; bodies
// included. What float16 cannot hold becomes infinite, what is too small for it 0. Names that begin
// with "wide" stay float32: those of initializers, inputs, outputs, and of what Casts make.
onnx::ModelProto InHalf(onnx::ModelProto model,
                        onnx::TensorProto::DataType half = onnx::TensorProto::FLOAT16);

// Makes one tensor of float32 so.
void MakeHalf(onnx::TensorProto& tensor, onnx::TensorProto::DataType half);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SUPPORT_HALF_MODEL_H_
