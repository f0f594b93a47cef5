// A text as the bytes that files and messages are made of.
#ifndef ONNXQUANT_LIB_BASE_AS_BYTES_H_
#define ONNXQUANT_LIB_BASE_AS_BYTES_H_

#include <cstddef>
#include <string>

#include "absl/types/span.h"

namespace onnxquant {

// Valid as long as the text.
inline absl::Span<const std::byte> AsBytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_BASE_AS_BYTES_H_
