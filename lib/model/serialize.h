// Models to bytes.
#ifndef ONNXQUANT_LIB_MODEL_SERIALIZE_H_
#define ONNXQUANT_LIB_MODEL_SERIALIZE_H_

#include <string>

#include "absl/status/status.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// The same bytes for the same model, every time. Error (kModel): more than protobuf's 2 GB.
absl::Status SerializeModel(const onnx::ModelProto& model, std::string* out);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_SERIALIZE_H_
