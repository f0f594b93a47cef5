#include "lib/files/pending.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "lib/base/error.h"
#include "lib/files/folder.h"
#include "lib/files/folder_lock.h"
#include "lib/files/own_names.h"
#include "lib/files/placing.h"
#include "lib/files/records.h"

namespace onnxquant {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kBetweenAttempts = std::chrono::milliseconds(10);

bool HasRecords(const Folder& folder) {
  const absl::StatusOr<std::vector<std::string>> names = folder.Names();
  return names.ok() && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           const auto own = ParseOwnName(name);
           return own.has_value() && own->kind != OwnKind::kTemporary;
         });
}

bool IsDone(const PendingSet& set) {
  return std::all_of(
      set.journal.entries.begin(), set.journal.entries.end(), [&set](const JournalEntry& entry) {
        const auto sight = LookAt(*set.folders[entry.folder], entry);
        if (!sight.ok()) return false;
        return entry.action == JournalEntry::Action::kRemove ? sight->target == Standing::kNothing
                                                             : sight->target == Standing::kNew;
      });
}

// What cannot be read is the next writing run's to complain of.
bool IsPending(const FolderPtr& folder, const std::string& name) {
  const absl::StatusOr<Records> records = FindRecords(folder);
  if (!records.ok()) return false;
  return std::any_of(records->sets.begin(), records->sets.end(), [&](const PendingSet& set) {
    const auto is_it = [&](const JournalEntry& entry) {
      return entry.name == name && set.folders[entry.folder]->key() == folder->key();
    };
    const auto& entries = set.journal.entries;
    return std::any_of(entries.begin(), entries.end(), is_it) && !IsDone(set);
  });
}

}  // namespace

absl::Status CheckNotPending(const std::string& path) {
  const std::filesystem::path file(path);
  const absl::StatusOr<FolderPtr> folder = Folder::Open(ParentFolder(path), "");
  if (!folder.ok() || !HasRecords(**folder)) return absl::OkStatus();
  const std::string name = file.filename().string();
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (IsPending(*folder, name)) {
    const std::vector<FolderLock> locks = FolderLock::TryAll({&*folder, 1});
    if (!locks.empty()) {
      // Whoever was at it has ended: with the lock, what is seen stays so.
      if (!IsPending(*folder, name)) return absl::OkStatus();
      return ModelError(path, ": was left half-written by an interrupted run: 'onnxquant recover ",
                        (*folder)->path(), "' finishes that, or takes it back");
    }
    if (std::chrono::steady_clock::now() > end) {
      return ModelError(path, ": is being written by another run; try again when that has ended");
    }
    std::this_thread::sleep_for(kBetweenAttempts);
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
