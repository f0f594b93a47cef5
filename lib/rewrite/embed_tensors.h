// External data that a rewritten model may not refer to any more.
#ifndef ONNXQUANT_LIB_REWRITE_EMBED_TENSORS_H_
#define ONNXQUANT_LIB_REWRITE_EMBED_TENSORS_H_

#include "absl/status/status.h"
#include "lib/model/model.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Gives every tensor in the attributes of `copy`, a copy of the model's node `original`, its own
// payload where it referred to the input's data files: Constant values, and the initializers of
// bodies. (The main graph's initializers are laid out anew instead.)
absl::Status EmbedTensors(const Model& model, const onnx::NodeProto& original,
                          onnx::NodeProto& copy);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_EMBED_TENSORS_H_
