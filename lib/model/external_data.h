// References to external data: what they say, and which file they may name.
#ifndef ONNXQUANT_LIB_MODEL_EXTERNAL_DATA_H_
#define ONNXQUANT_LIB_MODEL_EXTERNAL_DATA_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "lib/files/input_file.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

struct ExternalReference {
  std::string location;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
};

// Refuses what ONNX Runtime refuses: unknown or repeated keys, no location, numbers that are none.
absl::StatusOr<ExternalReference> ParseExternalReference(const onnx::TensorProto& tensor);

// The model that locations are relative to.
struct ModelPlace {
  std::string path;  // as the user names it
  std::string real;  // the opened file's own path (InputFile::real_path); "": that of `path`
};

// Opens the file that `location` means. Refused: absolute paths, and paths that leave the model's
// folder, by `..` or through a symbolic link; but links may lead into the folder where the model
// file itself really lies (the Hugging Face cache links model and data into one blob folder). What
// is judged is the file that was opened: links that change meanwhile lead nowhere else.
//
// Hard links are accepted: nothing tells them from the file itself, and who may make one to a file
// could have written the model's folder anyway. No output ever replaces the file they share.
absl::StatusOr<InputFile> OpenExternalFile(const ModelPlace& model, const std::string& location);

// Parses the whole file, with the payloads that stand in it. Errors (kModel).
absl::StatusOr<onnx::ModelProto> ReadWholeModel(const std::string& path);

// Makes the locations of external data name the files themselves, from one folder, which is
// returned: the model's, or the one where the model file really lies. Runtimes that follow no link
// out of a folder find what links lead to then. What cannot be found stays as it is.
std::string ResolveLocations(const std::string& model_path, onnx::ModelProto& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_EXTERNAL_DATA_H_
