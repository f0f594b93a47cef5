// Which version of each domain's operators a model means.
#ifndef ONNXQUANT_LIB_MODEL_OPSET_CHECK_H_
#define ONNXQUANT_LIB_MODEL_OPSET_CHECK_H_

#include "absl/status/status.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Refuses (kModel) a model that imports one domain in two versions, which readers would each decide
// in their own way, or in one that no 32 bits hold.
absl::Status CheckOpsets(const onnx::ModelProto& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_OPSET_CHECK_H_
