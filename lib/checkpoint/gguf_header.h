// The names, shapes and places of a GGUF file's tensors, read within bounds and checked.
#ifndef ONNXQUANT_LIB_CHECKPOINT_GGUF_HEADER_H_
#define ONNXQUANT_LIB_CHECKPOINT_GGUF_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

struct GgufTensor {
  std::string name;
  std::uint32_t type = 0;           // ggml's number
  std::vector<std::int64_t> shape;  // the outermost dimension first
  std::uint64_t begin = 0;          // in the file
};

bool IsGguf(absl::Span<const std::byte> file);

// Errors (kUsage) begin with `path`: bytes that are no such file, or one of another version or byte
// order; counts and texts that pass the file's end; tensors that begin beyond it, or of more
// elements than can be counted.
absl::StatusOr<std::vector<GgufTensor>> ReadGgufHeader(const std::string& path,
                                                       absl::Span<const std::byte> file);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_GGUF_HEADER_H_
