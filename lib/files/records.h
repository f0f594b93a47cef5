// The journals and pointers that lie in folders.
#ifndef ONNXQUANT_LIB_FILES_RECORDS_H_
#define ONNXQUANT_LIB_FILES_RECORDS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/folder.h"
#include "lib/files/journal.h"
#include "lib/files/own_names.h"

namespace onnxquant {

// A set that is being put in place, or was left half in place. folders[0] holds the journal.
struct PendingSet {
  Journal journal;
  std::vector<FolderPtr> folders;
};

// What a folder's records lead to.
struct Records {
  std::vector<PendingSet> sets;
  std::vector<std::string> stale;    // pointers to journals that are done with
  std::vector<std::string> unclear;  // records that nobody here may or can follow
};

// Makes the journal durable, pointers in the other folders first: with the journal's appearance the
// set is decided. folders[0] is the journal's. When it fails, what was written is removed.
absl::Status WriteRecords(const Journal& journal, absl::Span<const FolderPtr> folders);

// The journal first, since a journal without its pointers cannot be followed.
absl::Status RemoveRecords(const Journal& journal, absl::Span<const FolderPtr> folders);

// Records count only where they are files of the caller, of root, or of the folder's owner. Errors
// (kWrite): a journal is damaged, or a folder that it names is not there.
absl::StatusOr<Records> FindRecords(const FolderPtr& folder);

// Whether the set's process may still be at it, where locks cannot tell. `asked`: a user says that
// runs of other machines, and of before a restart, have ended.
bool MayBeLive(const Journal& journal, bool asked);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_RECORDS_H_
