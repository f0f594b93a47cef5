// Whether a model's structure is one that can be read in the memory that a file warrants.
#ifndef ONNXQUANT_LIB_MODEL_WIRE_BOUNDS_H_
#define ONNXQUANT_LIB_MODEL_WIRE_BOUNDS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace onnxquant {

// Looks through a serialized ModelProto before protobuf parses it: two bytes of a file can be a
// node, which takes two hundred in memory. Error (kModel), said with its place in the file:
// messages nested deeper than limits::kNestedMessages, or a structure (payloads aside) of which the
// part up to that place already takes more than limits::kParsedBytes.
absl::Status CheckWire(absl::Span<const std::byte> file);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_WIRE_BOUNDS_H_
