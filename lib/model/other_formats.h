// Files that are taken for ONNX models and are none.
#ifndef ONNXQUANT_LIB_MODEL_OTHER_FORMATS_H_
#define ONNXQUANT_LIB_MODEL_OTHER_FORMATS_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace onnxquant {

// An error (kModel) that names what the bytes begin as, where that is known to be something else.
absl::Status RefuseOtherFormats(absl::Span<const std::byte> bytes, const std::string& path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_OTHER_FORMATS_H_
