#include "lib/files/recovery.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/files/litter.h"
#include "lib/files/placing.h"

namespace onnxquant {
namespace {

// Records that a recovery has brought to light may lead on; more than this means that others keep
// writing there.
constexpr int kRounds = 8;

const Folder& FolderOf(const PendingSet& set, const JournalEntry& entry) {
  return *set.folders[entry.folder];
}

absl::StatusOr<bool> CanPlaceAll(const PendingSet& set) {
  for (const JournalEntry& entry : set.journal.entries) {
    ONNXQUANT_ASSIGN_OR_RETURN(const Sight sight, LookAt(FolderOf(set, entry), entry));
    if (!CanPlace(entry, sight)) return false;
  }
  return true;
}

absl::Status Still(const PendingSet& set, const absl::Status& why) {
  return WriteError(
      std::string(why.message()),
      "; the files of an interrupted run are still half in place: 'onnxquant recover ",
      set.folders.front()->path(), "' tries again");
}

// Under the locks, what is found now is all that there is.
absl::Status SettleFolder(const FolderPtr& folder, bool locked, bool asked, Recovered& recovered) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Records records, FindRecords(folder));
  bool clear = records.unclear.empty();
  for (const PendingSet& set : records.sets) {
    if (!locked && MayBeLive(set.journal, asked)) {
      clear = false;
      continue;
    }
    ONNXQUANT_RETURN_IF_ERROR(Settle(set, recovered));
  }
  for (const std::string& name : records.stale) folder->Remove(name);
  // Without knowing all records, a temporary file may be the only copy of something.
  if (clear) RemoveLitter(*folder, locked, recovered.removed);
  return absl::OkStatus();
}

// The folders that the given ones reach through records, themselves included.
absl::StatusOr<std::vector<FolderPtr>> Reach(absl::Span<const FolderPtr> folders, bool locked) {
  std::vector<FolderPtr> reached(folders.begin(), folders.end());
  for (const FolderPtr& folder : folders) {
    const absl::StatusOr<Records> records = FindRecords(folder);
    // Without the lock, a run may just be removing its records one by one.
    if (!records.ok() && !locked) continue;
    ONNXQUANT_RETURN_IF_ERROR(records.status());
    for (const PendingSet& set : records->sets) {
      reached.insert(reached.end(), set.folders.begin(), set.folders.end());
    }
  }
  return reached;
}

std::set<std::pair<std::uint64_t, std::uint64_t>> KeysOf(absl::Span<const FolderPtr> folders) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> keys;
  for (const FolderPtr& folder : folders) keys.insert(folder->key());
  return keys;
}

}  // namespace

absl::Status SyncFolders(const PendingSet& set) {
  for (const FolderPtr& folder : set.folders) ONNXQUANT_RETURN_IF_ERROR(folder->Sync());
  return absl::OkStatus();
}

void RemoveLeftovers(const PendingSet& set) {
  for (const JournalEntry& entry : set.journal.entries) {
    RemoveLeftovers(FolderOf(set, entry), entry);
  }
}

bool TakeBackAll(const PendingSet& set) {
  bool all = true;
  const std::vector<JournalEntry>& entries = set.journal.entries;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    all = TakeBack(FolderOf(set, *entry), *entry).ok() && all;
  }
  if (!all) return false;
  // Best effort: a journal that is left says how to take back, too, since the new files are gone.
  if (SyncFolders(set).ok() && RemoveRecords(set.journal, set.folders).ok()) RemoveLeftovers(set);
  return true;
}

absl::Status Settle(const PendingSet& set, Recovered& recovered) {
  ONNXQUANT_ASSIGN_OR_RETURN(const bool forward, CanPlaceAll(set));
  std::vector<std::string>& list = forward ? recovered.completed : recovered.restored;
  absl::Status status;
  if (forward) {
    for (const JournalEntry& entry : set.journal.entries) {
      status = Place(FolderOf(set, entry), entry);
      if (!status.ok()) return Still(set, status);
    }
  } else {
    const std::vector<JournalEntry>& entries = set.journal.entries;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      status.Update(TakeBack(FolderOf(set, *entry), *entry));
    }
    if (!status.ok()) return Still(set, status);
  }
  status = SyncFolders(set);
  if (status.ok()) status = RemoveRecords(set.journal, set.folders);
  if (!status.ok()) return Still(set, status);
  RemoveLeftovers(set);
  for (const JournalEntry& entry : set.journal.entries) {
    list.push_back(FolderOf(set, entry).PathOf(entry.name));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FolderLock>> LockAndRecover(absl::Span<const FolderPtr> folders,
                                                       const Waiting& waiting, Recovered& recovered,
                                                       bool asked) {
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<FolderPtr> reached, Reach(folders, false));
  for (int round = 0; round < kRounds; ++round) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<FolderLock> locks,
                               FolderLock::LockAll(reached, waiting));
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<FolderPtr> now, Reach(reached, true));
    const auto held = KeysOf(reached);
    const auto needed = KeysOf(now);
    if (!std::includes(held.begin(), held.end(), needed.begin(), needed.end())) {
      reached = now;  // locks go, and come back in their order
      continue;
    }
    for (const FolderLock& lock : locks) {
      ONNXQUANT_RETURN_IF_ERROR(SettleFolder(lock.folder(), lock.held(), asked, recovered));
    }
    const auto wanted = KeysOf(folders);
    std::vector<FolderLock> kept;
    for (FolderLock& lock : locks) {
      if (wanted.count(lock.folder()->key()) > 0) kept.push_back(std::move(lock));
    }
    return kept;
  }
  return WriteError(folders.front()->path(), ": other runs keep writing there; try again later");
}

absl::Status RecoverIfPending(const FolderPtr& folder, const Waiting& waiting,
                              Recovered& recovered) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> names, folder->Names());
  bool records = false;
  bool temporaries = false;
  for (const std::string& name : names) {
    const std::optional<OwnName> own = ParseOwnName(name);
    if (!own.has_value()) continue;
    (own->kind == OwnKind::kTemporary ? temporaries : records) = true;
  }
  if (records) return LockAndRecover({&folder, 1}, waiting, recovered).status();
  if (!temporaries) return absl::OkStatus();
  const std::vector<FolderLock> locks = FolderLock::TryAll({&folder, 1});
  if (locks.empty()) return absl::OkStatus();
  return SettleFolder(folder, locks.front().held(), false, recovered);
}

}  // namespace onnxquant
