// Finishes, or takes back, what interrupted runs left in folders.
#ifndef ONNXQUANT_LIB_FILES_RECOVERY_H_
#define ONNXQUANT_LIB_FILES_RECOVERY_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/folder.h"
#include "lib/files/folder_lock.h"
#include "lib/files/records.h"

namespace onnxquant {

// What was done, as paths.
struct Recovered {
  std::vector<std::string> completed;  // files of sets that are wholly in place now
  std::vector<std::string> restored;   // files of sets that were taken back
  std::vector<std::string> removed;    // temporary files whose process has ended

  bool nothing() const { return completed.empty() && restored.empty() && removed.empty(); }
};

// Finishes the set where that can be done, else takes it back. The caller holds the folders' locks.
// Error (kWrite): it is still half in place.
absl::Status Settle(const PendingSet& set, Recovered& recovered);

// Takes the set back as a whole, and its records. False: something of it is still in place.
bool TakeBackAll(const PendingSet& set);

// What a set leaves under temporary names once it is settled, as far as that can be removed.
void RemoveLeftovers(const PendingSet& set);

absl::Status SyncFolders(const PendingSet& set);

// Locks the folders, and on the way settles what is pending in them, in whatever other folders that
// reaches, and removes temporary files that are nobody's. `asked`: by a user, who knows that no run
// of another machine is at it where folders cannot be locked.
absl::StatusOr<std::vector<FolderLock>> LockAndRecover(absl::Span<const FolderPtr> folders,
                                                       const Waiting& waiting, Recovered& recovered,
                                                       bool asked = false);

// The same at the beginning of a run, without keeping locks. Does not wait for other runs where
// only temporary files are to be looked at, and has nothing to do in most folders.
absl::Status RecoverIfPending(const FolderPtr& folder, const Waiting& waiting,
                              Recovered& recovered);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_RECOVERY_H_
