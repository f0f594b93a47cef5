// A folder for files that only one run needs.
#ifndef ONNXQUANT_LIB_FILES_TEMPORARY_FOLDER_H_
#define ONNXQUANT_LIB_FILES_TEMPORARY_FOLDER_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace onnxquant {

// Goes, with all that lies in it, when the object does.
class TemporaryFolder {
 public:
  // In the system's folder for temporary files, which TMPDIR names. `otherwise`: what can be done
  // beside setting TMPDIR where none can be made. Error: kWrite.
  static absl::StatusOr<TemporaryFolder> Create(absl::string_view otherwise);

  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // "" once moved from
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_TEMPORARY_FOLDER_H_
