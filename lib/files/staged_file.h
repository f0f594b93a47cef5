// A file that is written before it gets its name.
#ifndef ONNXQUANT_LIB_FILES_STAGED_FILE_H_
#define ONNXQUANT_LIB_FILES_STAGED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/folder.h"

namespace onnxquant {

// It has no name at all where the file system can do that, so that nothing is left of a process
// that is killed. Elsewhere it has a temporary one, and is locked (flock) as long as it lives: a
// temporary file that can be locked is nobody's. Goes with the object unless Release() was called.
class StagedFile {
 public:
  // Whether a file without a name could get one in this folder: some mounts and sandboxes allow the
  // first and not the second.
  static bool CanBeUnnamed(const Folder& folder);

  // `target` is the path that errors speak of. `named`: where it cannot be without a name.
  static absl::StatusOr<StagedFile> Create(FolderPtr folder, std::string target, bool named);

  // Under a temporary name that the caller chose, and without a lock: whoever makes another file of
  // the same purpose knows by the names which are to be removed.
  static absl::StatusOr<StagedFile> CreateAs(FolderPtr folder, std::string target,
                                             std::string name);

  // What an earlier process wrote and synced, whole, as `name` in a folder of the same file system.
  // It stays there under that name, too, where the file system has links; elsewhere NameIt() takes
  // it from there, and it goes back with the object. No descriptor is held. Error (kWrite): no
  // regular file stands there.
  static absl::StatusOr<StagedFile> Adopt(FolderPtr folder, std::string target, std::string name);

  StagedFile(StagedFile&& other) noexcept;
  StagedFile& operator=(StagedFile&&) = delete;
  ~StagedFile();

  const std::string& target() const { return target_; }
  const std::string& name() const { return name_; }  // as of now; "": none
  // Finds a full disk before the work is done.
  absl::Status Reserve(std::uint64_t size);
  // Thread-safe for distinct ranges.
  absl::Status WriteAt(std::uint64_t offset, absl::Span<const std::byte> bytes) const;
  absl::Status Sync() const;
  absl::StatusOr<FileIdentity> Identity() const;
  // Takes on mode, owner and group of the file that it replaces, as far as that is permitted.
  absl::Status KeepModeOf(const FileState& old) const;
  // Names it in the folder, which must be of the file system that it was made in. Fails where
  // something has that name.
  absl::Status NameIt(FolderPtr folder, const std::string& name);
  // Gives it its name in its own folder at once, in place of whatever has that name.
  absl::Status Replace(const std::string& name);
  // The name is no longer this object's to remove.
  void Release() { name_.clear(); }

 private:
  StagedFile(FolderPtr folder, std::string target, Descriptor descriptor, std::string name);
  absl::Status Error(const char* what, int error) const;
  absl::Status NameAdopted(const Folder& folder, const std::string& name);

  FolderPtr folder_;
  std::string target_;
  Descriptor descriptor_;
  std::string name_;  // temporary; "" for none
  // Of an adopted file: where it came from, and whether it is still there.
  FolderPtr source_;
  std::string source_name_;
  bool moved_ = false;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_STAGED_FILE_H_
