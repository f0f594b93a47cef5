// A model that the calling program holds, in place of a file.
#ifndef ONNXQUANT_MODEL_IN_MEMORY_H_
#define ONNXQUANT_MODEL_IN_MEMORY_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace onnxquant {

// Everything is borrowed, until what was made of it (a Plan) is gone.
struct ModelInMemory {
  // The path that it would have: messages begin with it, the outputs are named after it, and
  // external data in files is looked for beside it.
  std::string path = "model.onnx";
  // A serialized ModelProto, below 2 GB.
  absl::Span<const std::byte> model;
  // Payloads of tensors that are not in `model`, so that no weight need be copied: there such a
  // tensor has data_location EXTERNAL, the location kInMemory and, as offset, its index in this
  // list. The elements are little-endian, row-major and packed, as in raw_data (ONNX's
  // TensorProto).
  std::vector<absl::Span<const std::byte>> tensors;
};

inline constexpr char kInMemory[] = "<memory>";

}  // namespace onnxquant

#endif  // ONNXQUANT_MODEL_IN_MEMORY_H_
