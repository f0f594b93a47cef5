#include "tools/text_file.h"

#include <utility>

#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/files/single_output.h"

namespace onnxquant::cli {

absl::StatusOr<TextFile> TextFile::Open(const std::string& path, bool force, const Waiting& waiting,
                                        const std::vector<std::string>& inputs,
                                        const char* option) {
  TextFile file;
  if (path.empty()) return file;
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OpenOutput({.path = path, .force = force, .waiting = waiting, .option = option}, inputs, 0));
  file.files_.emplace(std::move(files));
  return file;
}

absl::Status TextFile::Write(const std::string& text) {
  if (!files_.has_value()) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(files_->WriteAt(0, 0, AsBytes(text)));
  return files_->Commit();
}

}  // namespace onnxquant::cli
