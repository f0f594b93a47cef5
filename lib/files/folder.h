// An open folder. What is done to its files goes through its descriptor, so that all of it happens
// in this one folder, whatever its path comes to mean meanwhile.
#ifndef ONNXQUANT_LIB_FILES_FOLDER_H_
#define ONNXQUANT_LIB_FILES_FOLDER_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/files/system_call.h"

namespace onnxquant {

// By what a file is known again under another name and in another process. Renaming, linking and
// changes of its mode leave all of it as it is.
struct FileIdentity {
  std::uint64_t inode = 0;  // 0: no file
  std::uint64_t size = 0;
  std::uint64_t modified = 0;  // nanoseconds

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// What a file's path names before the file; "." for a plain name.
std::string ParentFolder(const std::string& path);

// What stands under a name; links are not followed.
struct FileState {
  bool exists = false;
  mode_t mode = 0;
  uid_t user = 0;
  gid_t group = 0;
  FileIdentity identity;
};

class Folder {
 public:
  // Errors (kWrite) name `option`, which chooses another folder.
  static absl::StatusOr<std::shared_ptr<const Folder>> Open(const std::string& path,
                                                            const char* option);

  const std::string& path() const { return path_; }
  const char* option() const { return option_; }
  int descriptor() const { return descriptor_.number(); }
  uid_t owner() const { return owner_; }
  // Equal for one folder that was opened under two names.
  std::pair<std::uint64_t, std::uint64_t> key() const { return key_; }
  std::string PathOf(const std::string& name) const;
  absl::Status Error(const std::string& name, const char* what, int error) const;

  absl::StatusOr<FileState> Look(const std::string& name) const;
  absl::StatusOr<std::vector<std::string>> Names() const;  // sorted
  // Whether its path still leads to it.
  bool InPlace() const;

  // 0, or what errno says.
  int Rename(const std::string& from, const std::string& to, unsigned flags) const;
  int Link(const std::string& from, const std::string& to) const;
  int Remove(const std::string& name) const;  // 0 too where nothing stands there
  // Names in it become durable. Fine where the file system cannot sync folders.
  absl::Status Sync() const;

 private:
  Folder(std::string path, const char* option, Descriptor descriptor)
      : path_(std::move(path)), option_(option), descriptor_(std::move(descriptor)) {}

  std::string path_;
  const char* option_;
  Descriptor descriptor_;
  uid_t owner_ = 0;
  std::pair<std::uint64_t, std::uint64_t> key_;
};

using FolderPtr = std::shared_ptr<const Folder>;

// Of an open file.
absl::StatusOr<FileState> StateOf(int descriptor, const std::string& path, const char* option);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_FOLDER_H_
