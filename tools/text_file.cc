#include "tools/text_file.h"

#include <cstddef>
#include <filesystem>
#include <utility>

#include "absl/types/span.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/files/folder.h"

namespace onnxquant::cli {

absl::StatusOr<TextFile> TextFile::Open(const std::string& path, bool force,
                                        const ApplyOptions& apply,
                                        const std::vector<std::string>& inputs,
                                        const char* option) {
  TextFile file;
  if (path.empty()) return file;
  const std::filesystem::path target(path);
  const Waiting waiting{.cancelled = apply.cancelled, .notice = apply.notice};
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OutputFiles::Create(ParentFolder(path),
                          {.force = force, .waiting = waiting, .option = option}));
  for (const std::string& input : inputs) files.Protect(input);
  file.files_.emplace(std::move(files));
  ONNXQUANT_RETURN_IF_ERROR(file.files_->Add(target.filename().string(), 0).status());
  return file;
}

absl::Status TextFile::Write(const std::string& text) {
  if (!files_.has_value()) return absl::OkStatus();
  ONNXQUANT_RETURN_IF_ERROR(files_->WriteAt(0, 0, AsBytes(text)));
  return files_->Commit();
}

}  // namespace onnxquant::cli
