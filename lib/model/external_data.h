// References to external data: what they say, and which file they may name.
#ifndef ONNXQUANT_LIB_MODEL_EXTERNAL_DATA_H_
#define ONNXQUANT_LIB_MODEL_EXTERNAL_DATA_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

struct ExternalReference {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
};

// Refuses what ONNX Runtime refuses: unknown or repeated keys, no location, numbers that are none.
absl::StatusOr<ExternalReference> ParseExternalReference(const onnx::TensorProto& tensor);

// The file that `location` means for a model at `model_path`. Refused: absolute paths, and paths
// that leave the model's folder, by `..` or through a symbolic link; but links may lead into the
// folder where the model file itself really lies (the Hugging Face cache links model and data into
// one blob folder).
absl::StatusOr<std::string> ResolveExternalFile(const std::string& model_path,
                                                const std::string& location);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_EXTERNAL_DATA_H_
