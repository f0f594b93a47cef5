#include "lib/rewrite/embed_tensors.h"

#include <cstddef>

#include "lib/base/error.h"

namespace onnxquant {

absl::Status EmbedTensor(const Model& model, const onnx::TensorProto& original,
                         onnx::TensorProto& copy) {
  if (original.data_location() != onnx::TensorProto::EXTERNAL) return absl::OkStatus();
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(original));
  copy.clear_external_data();
  copy.clear_data_location();
  copy.set_raw_data(bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status EmbedTensors(const Model& model, const onnx::NodeProto& original,
                          onnx::NodeProto& copy) {
  for (int i = 0; i < original.attribute_size(); ++i) {
    const onnx::AttributeProto& from = original.attribute(i);
    onnx::AttributeProto& to = *copy.mutable_attribute(i);
    if (from.has_t()) ONNXQUANT_RETURN_IF_ERROR(EmbedTensor(model, from.t(), *to.mutable_t()));
    for (int t = 0; t < from.tensors_size(); ++t) {
      ONNXQUANT_RETURN_IF_ERROR(EmbedTensor(model, from.tensors(t), *to.mutable_tensors(t)));
    }
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
