#include "lib/runtime/numpy_tokens.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/numpy/npy.h"
#include "lib/runtime/tensor.h"

namespace onnxquant {
namespace {

template <typename T>
TokenSequences Rows(absl::Span<const std::byte> data, std::size_t rows, std::size_t columns) {
  TokenSequences sequences;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::int64_t> tokens;
    tokens.reserve(columns);
    for (std::size_t i = 0; i < columns; ++i) {
      T value;
      std::memcpy(&value, data.data() + (row * columns + i) * sizeof(T), sizeof(T));
      tokens.push_back(value);
    }
    sequences.push_back(std::move(tokens));
  }
  return sequences;
}

}  // namespace

absl::StatusOr<TokenSequences> ParseNumpy(const std::string& path, absl::string_view file) {
  ONNXQUANT_ASSIGN_OR_RETURN(const NumpyArray array, ParseNpy(path, file));
  const bool narrow = array.type == ElementType::kInt32;
  const std::size_t rank = array.dims.size();
  if ((!narrow && array.type != ElementType::kInt64) || rank < 1 || rank > 2) {
    return UsageError(path, ": is an array ", NameOf(array.type), DimsText(array.dims),
                      "; expected int32 or int64 of one or two dimensions");
  }
  if (array.elements() == 0) return TokenSequences();
  const std::size_t rows = rank == 1 ? 1 : static_cast<std::size_t>(array.dims[0]);
  const auto columns = static_cast<std::size_t>(array.dims.back());
  if (rows > static_cast<std::size_t>(limits::kTokenSequences)) {
    return UsageError(path, ": has ", rows, " rows; at most ", limits::kTokenSequences,
                      " sequences are read");
  }
  return narrow ? Rows<std::int32_t>(array.payload(), rows, columns)
                : Rows<std::int64_t>(array.payload(), rows, columns);
}

}  // namespace onnxquant
