// Models written as text, for tests.
#ifndef ONNXQUANT_TESTS_SUPPORT_TEXT_MODEL_H_
#define ONNXQUANT_TESTS_SUPPORT_TEXT_MODEL_H_

#include <string>

#include "onnx/onnx_pb.h"

namespace onnxquant {

// ONNX's textual form. A declared value that nothing makes ("<float[64, 32] w>") becomes an
// initializer whose elements are small and differ (float32, float16 and int64 only). Text that does
// not parse fails the test.
onnx::ModelProto ParseModel(const std::string& text);

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SUPPORT_TEXT_MODEL_H_
