#include "lib/runtime/numpy_tokens.h"

#include <re2/re2.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

template <typename T>
TokenSequences Rows(const char* data, std::size_t rows, std::size_t columns) {
  TokenSequences sequences;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<std::int64_t> tokens;
    tokens.reserve(columns);
    for (std::size_t i = 0; i < columns; ++i) {
      T value;
      std::memcpy(&value, data + (row * columns + i) * sizeof(T), sizeof(T));
      tokens.push_back(value);
    }
    sequences.push_back(std::move(tokens));
  }
  return sequences;
}

// Magic, version and length of the header are cut off; the header, a Python dictionary, is
// returned.
absl::StatusOr<absl::string_view> TakeHeader(const std::string& path, absl::string_view& file) {
  constexpr absl::string_view kMagic = "\x93NUMPY";
  constexpr std::size_t kLongest = 12;
  if (file.size() < kLongest || !absl::ConsumePrefix(&file, kMagic)) {
    return UsageError(path, ": is no NumPy file");
  }
  const int version = static_cast<unsigned char>(file[0]);
  if (version < 1 || version > 3) {
    return UsageError(path, ": is a NumPy file of format ", version, "; 1 to 3 are known");
  }
  file.remove_prefix(2);
  const std::size_t digits = version == 1 ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(file[i])) << (8 * i);
  }
  file.remove_prefix(digits);
  if (length > file.size()) return UsageError(path, ": ends within its header");
  if (static_cast<std::int64_t>(length) > limits::kNumpyHeader) {
    return UsageError(path, ": has a header of ", length, " bytes; at most ", limits::kNumpyHeader,
                      " are read");
  }
  const absl::string_view header = file.substr(0, length);
  file.remove_prefix(length);
  return header;
}

}  // namespace

absl::StatusOr<TokenSequences> ParseNumpy(const std::string& path, absl::string_view file) {
  ONNXQUANT_ASSIGN_OR_RETURN(const absl::string_view header, TakeHeader(path, file));
  static const auto* const pattern =
      new RE2(R"('descr': '(<i[48])', 'fortran_order': False, 'shape': \((\d+),? ?(\d*)\))");
  std::string type;
  std::string first;
  std::string second;
  if (!RE2::PartialMatch({header.data(), header.size()}, *pattern, &type, &first, &second)) {
    constexpr std::size_t kShown = 200;
    return UsageError(path, ": is an array with the header ",
                      VisibleStart(absl::StripAsciiWhitespace(header), kShown),
                      "; expected int32 or int64 of one or two dimensions, in C order");
  }
  std::size_t rows = 1;
  std::size_t columns = 0;
  const bool matrix = !second.empty();
  if ((matrix && !absl::SimpleAtoi(first, &rows)) ||
      !absl::SimpleAtoi(matrix ? second : first, &columns)) {
    return UsageError(path, ": its shape cannot be read");
  }
  if (rows == 0 || columns == 0) return TokenSequences();
  const std::size_t size = type == "<i4" ? 4 : 8;
  if (rows > file.size() / size / columns) {
    return UsageError(path, ": has ", file.size(), " bytes of elements; its shape needs more");
  }
  if (rows > static_cast<std::size_t>(limits::kTokenSequences)) {
    return UsageError(path, ": has ", rows, " rows; at most ", limits::kTokenSequences,
                      " sequences are read");
  }
  return size == 4 ? Rows<std::int32_t>(file.data(), rows, columns)
                   : Rows<std::int64_t>(file.data(), rows, columns);
}

}  // namespace onnxquant
