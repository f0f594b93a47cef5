// The header of a safetensors file, read within bounds and checked.
#ifndef ONNXQUANT_LIB_STATISTICS_SAFETENSORS_HEADER_H_
#define ONNXQUANT_LIB_STATISTICS_SAFETENSORS_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

struct SafeTensor {
  std::string name;
  std::string dtype;                // "F32"
  std::vector<std::int64_t> shape;  // none negative
  std::uint64_t begin = 0;          // in the file
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafeTensor> tensors;  // in the order of their data, which has no gaps
};

// Errors (kUsage) begin with `path`: bytes that are no such file; ranges that overlap, leave gaps
// or end beyond the file. Types and shapes are for the caller to judge. `remedy` ends what is said
// of files that are none: what was expected.
inline constexpr char kStatisticsAreSafetensors[] =
    "; statistics are files that 'onnxquant calibrate' writes, in the safetensors format";
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(
    const std::string& path, absl::Span<const std::byte> file,
    const std::string& remedy = kStatisticsAreSafetensors);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_STATISTICS_SAFETENSORS_HEADER_H_
