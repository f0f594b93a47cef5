// Whether a tensor's description and its payload fit together.
#ifndef ONNXQUANT_LIB_MODEL_TENSOR_CHECK_H_
#define ONNXQUANT_LIB_MODEL_TENSOR_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Calls `visit` for every tensor of the model: initializers, sparse ones, attributes, bodies,
// functions. `place` names it: "initializer 'w'", "attribute 'value' of node 'n'".
absl::Status VisitTensors(
    const onnx::ModelProto& model,
    const std::function<absl::Status(const onnx::TensorProto&, const std::string& place)>& visit);

// Known element type, sensible dimensions, and for inline payloads exactly as much data as they
// say, in one field. Returns the bytes of the payload in raw form; 0 for strings.
absl::StatusOr<std::uint64_t> CheckTensor(const onnx::TensorProto& tensor);

// The payload of a tensor whose data is in a typed field (float_data, int32_data …) in ONNX's raw
// little-endian form.
std::vector<std::byte> RawFromTypedFields(const onnx::TensorProto& tensor);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_TENSOR_CHECK_H_
