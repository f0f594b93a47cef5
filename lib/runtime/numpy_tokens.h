// Token ids from NumPy's files.
#ifndef ONNXQUANT_LIB_RUNTIME_NUMPY_TOKENS_H_
#define ONNXQUANT_LIB_RUNTIME_NUMPY_TOKENS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/runtime/tokens.h"

namespace onnxquant {

// The content of a .npy file, as ReadTokens takes it. Errors (kUsage): those of ParseNpy, and of
// arrays that are no token ids.
absl::StatusOr<TokenSequences> ParseNumpy(const std::string& path, absl::string_view file);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_NUMPY_TOKENS_H_
