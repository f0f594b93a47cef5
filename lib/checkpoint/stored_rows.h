// The ways in which checkpoints store numbers, and rows of them as float32.
#ifndef ONNXQUANT_LIB_CHECKPOINT_STORED_ROWS_H_
#define ONNXQUANT_LIB_CHECKPOINT_STORED_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace onnxquant {

// A type of safetensors or of GGUF. Elements come in blocks along the last axis.
struct StoredType {
  absl::string_view name;                                         // "BF16", "Q4_0"
  int ggml = -1;                                                  // ggml's number; -1: it has none
  std::int64_t block = 1;                                         // elements
  std::int64_t bytes = 0;                                         // of a block
  void (*read)(const std::byte* block, float* values) = nullptr;  // one block
};

// Null: of a type that is not read.
const StoredType* TypeOfSafetensors(absl::string_view dtype);
const StoredType* TypeOfGguf(std::uint32_t type);
// "Q3_K", also of types that are not read; "type 99".
std::string NameOfGguf(std::uint32_t type);

// `values.size()` elements, whole blocks, from `payload` on, which has as many.
void ReadStored(const StoredType& type, const std::byte* payload, absl::Span<float> values);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_STORED_ROWS_H_
