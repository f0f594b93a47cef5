#include "lib/files/temporary_folder.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "lib/base/error.h"

namespace onnxquant {

absl::StatusOr<TemporaryFolder> TemporaryFolder::Create(absl::string_view otherwise) {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "onnxquant-XXXXXX").string();
  if (error || mkdtemp(path.data()) == nullptr) {
    return WriteError(path,
                      ": no folder for temporary files can be made; set TMPDIR to one that can be "
                      "written to, or ",
                      otherwise);
  }
  return TemporaryFolder(std::move(path));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

}  // namespace onnxquant
