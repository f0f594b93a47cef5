#include "onnxquant/recover.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "lib/base/error.h"
#include "lib/files/folder.h"
#include "lib/files/recovery.h"

namespace onnxquant {

absl::StatusOr<Recovery> Recover(const std::string& directory, const RecoverOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return UsageError("'", directory, "' is no folder; name the one that was written to");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const FolderPtr folder, Folder::Open(directory, "-o"));
  Recovered recovered;
  const Waiting waiting{.cancelled = options.cancelled, .notice = options.notice};
  ONNXQUANT_RETURN_IF_ERROR(LockAndRecover({&folder, 1}, waiting, recovered, true).status());
  Recovery recovery;
  recovery.completed = std::move(recovered.completed);
  recovery.restored = std::move(recovered.restored);
  recovery.removed = std::move(recovered.removed);
  return recovery;
}

}  // namespace onnxquant
