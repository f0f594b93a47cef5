// Takes large weights out of a serialized model before protobuf parses it, so that a model of 2 GB
// with inline weights does not take 2 GB of memory.
#ifndef ONNXQUANT_LIB_MODEL_STRIP_PAYLOADS_H_
#define ONNXQUANT_LIB_MODEL_STRIP_PAYLOADS_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

// The external data location that stands for "in the .onnx file itself".
inline constexpr char kInlineLocation[] = "<inline>";

// A copy of the serialized ModelProto in which each initializer of the main graph whose raw_data
// takes 4 KiB or more says instead, as external data at kInlineLocation, at which offset of `file`
// its bytes lie. Errors: malformed wire format.
absl::StatusOr<std::string> StripPayloads(absl::Span<const std::byte> file);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_STRIP_PAYLOADS_H_
