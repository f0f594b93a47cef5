// The local functions of a model and who calls whom, known before any call is inlined.
#ifndef ONNXQUANT_LIB_MODEL_FUNCTION_CALLS_H_
#define ONNXQUANT_LIB_MODEL_FUNCTION_CALLS_H_

#include <string>

#include "absl/status/status.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Whether the calls can be replaced by what the functions do. Counted, not tried: ten functions
// that call one another ten times each are a small file and ten billion nodes. Errors (kModel) name
// the function: one that comes to call itself; calls that lead through more than limits::kCallDepth
// functions; more than limits::kInlinedNodes nodes, or than limits::kInlinedBytes beyond the
// model's own size; bodies nested more than limits::kNestedBodies deep. Linear in the model's size.
absl::Status CheckCalls(const onnx::ModelProto& model, const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_FUNCTION_CALLS_H_
