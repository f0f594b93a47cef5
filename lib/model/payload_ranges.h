// Where the payloads of a model lie in its data files.
#ifndef ONNXQUANT_LIB_MODEL_PAYLOAD_RANGES_H_
#define ONNXQUANT_LIB_MODEL_PAYLOAD_RANGES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace onnxquant {

struct PayloadRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string place;  // "initializer 'w'"
};
using PayloadRanges = std::map<std::string, std::vector<PayloadRange>>;  // by location

// Two tensors at the same place share their data; a partial overlap can only be a mistake (kModel).
// Sorts the ranges.
absl::Status CheckOverlaps(PayloadRanges& ranges);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_PAYLOAD_RANGES_H_
