// A model of rotary embeddings with tables that a formula made, for tests.
#ifndef ONNXQUANT_TESTS_SUPPORT_ROPE_MODEL_H_
#define ONNXQUANT_TESTS_SUPPORT_ROPE_MODEL_H_

#include <string>
#include <vector>

#include "onnx/onnx_pb.h"

namespace onnxquant {

// Two initializers, [positions, frequencies], of cosines and sines times `factor`, in float32. An
// initializer of one of the names gives way.
void AddRopeTables(const std::string& cosines, const std::string& sines,
                   const std::vector<float>& frequencies, int positions, onnx::ModelProto& model,
                   float factor = 1);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SUPPORT_ROPE_MODEL_H_
