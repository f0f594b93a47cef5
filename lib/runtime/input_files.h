// Arrays that a model is to be run on, from files.
#ifndef ONNXQUANT_LIB_RUNTIME_INPUT_FILES_H_
#define ONNXQUANT_LIB_RUNTIME_INPUT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/runtime/tensor.h"

namespace onnxquant {

// What a model is run on once.
struct InputSet {
  std::string origin;  // the file
  // By the inputs' names; a .npy file has one array, named "".
  std::vector<NamedTensor> arrays;
};

// The files that paths stand for: of a folder, its .npz and .npy files in the order of their names.
// Error (kUsage): a folder that has none or cannot be read.
absl::StatusOr<std::vector<std::string>> InputFilesOf(absl::Span<const std::string> paths);

// Each file is one set: NumPy's .npz or .npy, told apart by their content. Errors
// (kUsage): those of InputFilesOf, ParseNpz and ParseNpy, files that cannot be read or are
// something else, and more bytes in all than limits::kInputBytes.
absl::StatusOr<std::vector<InputSet>> ReadInputs(absl::Span<const std::string> paths);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_RUNTIME_INPUT_FILES_H_
