// One run at a time puts files into a folder.
#ifndef ONNXQUANT_LIB_FILES_FOLDER_LOCK_H_
#define ONNXQUANT_LIB_FILES_FOLDER_LOCK_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/folder.h"

namespace onnxquant {

// What a run that waits looks at and says.
struct Waiting {
  const std::atomic<bool>* cancelled = nullptr;
  // Receives a sentence when it takes longer than a second. None: not said.
  std::function<void(const std::string&)> notice = {};
};

// Held as long as it lives. Programs end, and are killed: the system then takes the lock from them.
class FolderLock {
 public:
  // Not held where the file system knows no locks on folders; waiting for them would be in vain.
  bool held() const { return descriptor_.valid(); }
  const FolderPtr& folder() const { return folder_; }

  // Locks each folder once, under whatever names it is among them, in an order that all programs
  // share, so that no two wait for each other. kCancelled; kWrite where a folder cannot be opened.
  static absl::StatusOr<std::vector<FolderLock>> LockAll(absl::Span<const FolderPtr> folders,
                                                         const Waiting& waiting);
  // Nothing when another run holds one of them.
  static std::vector<FolderLock> TryAll(absl::Span<const FolderPtr> folders);

 private:
  FolderLock(FolderPtr folder, Descriptor descriptor)
      : folder_(std::move(folder)), descriptor_(std::move(descriptor)) {}
  enum class Attempt { kHeld, kBusy, kImpossible };
  static Attempt Try(const Folder& folder, Descriptor& descriptor);

  FolderPtr folder_;
  Descriptor descriptor_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_FOLDER_LOCK_H_
