#include "lib/files/commit.h"

#include <string>

#include "lib/base/error.h"
#include "lib/files/placing.h"
#include "lib/files/recovery.h"

namespace onnxquant {
namespace {

absl::Status PlaceAll(const PendingSet& set) {
  for (const JournalEntry& entry : set.journal.entries) {
    ONNXQUANT_RETURN_IF_ERROR(Place(*set.folders[entry.folder], entry));
  }
  return SyncFolders(set);
}

// One new file appears at once: there is nothing half way.
bool NeedsJournal(const Journal& journal) {
  return journal.entries.size() > 1 ||
         journal.entries.front().action != JournalEntry::Action::kPlace;
}

// What cannot be taken back is then put in place by whoever sees the journal.
bool IsDecided(const PendingSet& set) {
  const auto journal = set.folders.front()->Look(NameOfOwn(OwnKind::kJournal, set.journal.id));
  return !journal.ok() || journal->exists;
}

}  // namespace

absl::Status CommitSet(const PendingSet& set) {
  if (set.journal.entries.empty()) return absl::OkStatus();
  absl::Status status = SyncFolders(set);
  if (status.ok() && NeedsJournal(set.journal)) status = WriteRecords(set.journal, set.folders);
  if (status.ok()) status = PlaceAll(set);
  if (status.ok()) {
    // From here on nothing can fail any more: a record that stays is found and removed by the next
    // run, which finds all in place.
    static_cast<void>(RemoveRecords(set.journal, set.folders));
    RemoveLeftovers(set);
    return status;
  }
  if (TakeBackAll(set) || !IsDecided(set)) return status;
  return WriteError(std::string(status.message()),
                    "; the files are half in place: 'onnxquant recover ",
                    set.folders.front()->path(), "' finishes that");
}

}  // namespace onnxquant
