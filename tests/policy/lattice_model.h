// A model whose weight was made of codes.
#ifndef ONNXQUANT_TESTS_POLICY_LATTICE_MODEL_H_
#define ONNXQUANT_TESTS_POLICY_LATTICE_MODEL_H_

#include <random>

#include "onnx/onnx_pb.h"
#include "tests/support/text_model.h"

namespace onnxquant {

// y = x w, w [128, 64] of integers from -levels to levels - 1, times a scale that is `scale` and a
// little more in each block of 32 of each column.
inline onnx::ModelProto ModelWithCodes(int levels, float scale) {
  onnx::ModelProto model = ParseModel(
      "<ir_version: 10, opset_import: [\"\" : 21, \"com.microsoft\" : 1]>\n"
      "g (float[2, 128] x) => (float[2, 64] y) { y = MatMul(x, w) }");
  onnx::TensorProto& weight = *model.mutable_graph()->add_initializer();
  weight.set_name("w");
  weight.set_data_type(onnx::TensorProto::FLOAT);
  weight.add_dims(128);
  weight.add_dims(64);
  std::mt19937 random(1);
  for (int k = 0; k < 128; ++k) {
    for (int n = 0; n < 64; ++n) {
      const int code =
          k % 32 == 0 ? -levels
                      : static_cast<int>(random() % static_cast<unsigned>(2 * levels)) - levels;
      // Few digits, so that the scale is a float16 number.
      const float own = scale * (1 + static_cast<float>((k / 32 * 64 + n) % 97) / 128);
      weight.add_float_data(own * static_cast<float>(code));
    }
  }
  return model;
}

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_POLICY_LATTICE_MODEL_H_
