// Texts and numbers as the bytes that files and messages are made of.
#ifndef ONNXQUANT_LIB_BASE_AS_BYTES_H_
#define ONNXQUANT_LIB_BASE_AS_BYTES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace onnxquant {

// Valid as long as the text.
inline absl::Span<const std::byte> AsBytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Likewise, of numbers as they stand in memory, which is little-endian as ONNX's payloads are.
template <typename T>
absl::Span<const std::byte> AsBytes(absl::Span<const T> values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}
template <typename T>
absl::Span<const std::byte> AsBytes(const std::vector<T>& values) {
  return AsBytes(absl::Span<const T>(values));
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_AS_BYTES_H_
