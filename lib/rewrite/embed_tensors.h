// External data that a rewritten model may not refer to any more.
#ifndef ONNXQUANT_LIB_REWRITE_EMBED_TENSORS_H_
#define ONNXQUANT_LIB_REWRITE_EMBED_TENSORS_H_

#include "absl/status/status.h"
#include "lib/model/model.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Gives `copy`, a copy of the model's tensor `original`, its own payload where it referred to the
// input's data files. (The main graph's initializers are laid out anew instead.)
absl::Status EmbedTensor(const Model& model, const onnx::TensorProto& original,
                         onnx::TensorProto& copy);

// The same for every tensor in the attributes of a node; bodies are left alone.
absl::Status EmbedTensors(const Model& model, const onnx::NodeProto& original,
                          onnx::NodeProto& copy);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_EMBED_TENSORS_H_
