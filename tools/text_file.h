// A result as a file of its own.
#ifndef ONNXQUANT_TOOLS_TEXT_FILE_H_
#define ONNXQUANT_TOOLS_TEXT_FILE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/files/output_files.h"

namespace onnxquant::cli {

// Opened before the work begins, so that what would stop it at the end stops it at the start.
class TextFile {
 public:
  // Refused (kWrite): a file that exists (unless `force`), one of the inputs, a folder that cannot
  // be written to. Nothing when `path` is "". Errors name the `option` that gave the path.
  static absl::StatusOr<TextFile> Open(const std::string& path, bool force, const Waiting& waiting,
                                       const std::vector<std::string>& inputs,
                                       const char* option = "-o");

  absl::Status Write(const std::string& text);

 private:
  std::optional<OutputFiles> files_;
};

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_TEXT_FILE_H_
