#include "lib/files/placing.h"

#include <cerrno>
#include <cstdio>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

using Action = JournalEntry::Action;

absl::StatusOr<Standing> StandingOf(const Folder& folder, const std::string& name,
                                    const JournalEntry& entry) {
  if (name.empty()) return Standing::kNothing;
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState state, folder.Look(name));
  if (!state.exists) return Standing::kNothing;
  if (entry.action != Action::kRemove && state.identity == entry.made) return Standing::kNew;
  if (entry.action != Action::kPlace && state.identity == entry.old) return Standing::kOld;
  return Standing::kOther;
}

absl::Status Occupied(const Folder& folder, const JournalEntry& entry) {
  return WriteError(folder.PathOf(entry.name),
                    ": appeared while the output was written, and was left alone");
}

// Moves where nothing stands.
absl::Status MoveTo(const Folder& folder, const JournalEntry& entry, const std::string& from,
                    const std::string& to, const char* what) {
  int error = folder.Rename(from, to, RENAME_NOREPLACE);
  if (error == EINVAL || error == ENOSYS) {  // not on this file system: a link replaces nothing
    error = folder.Link(from, to);
    if (error == 0) {
      error = folder.Remove(from);
    } else if (error != EEXIST) {
      ONNXQUANT_ASSIGN_OR_RETURN(const FileState there, folder.Look(to));
      error = there.exists ? EEXIST : folder.Rename(from, to, 0);
    }
  }
  if (error == EEXIST) return Occupied(folder, entry);
  return error == 0 ? absl::OkStatus() : folder.Error(entry.name, what, error);
}

absl::Status ReplaceOld(const Folder& folder, const JournalEntry& entry, Standing aside) {
  int error = folder.Rename(entry.staged, entry.name, RENAME_EXCHANGE);
  if (error == 0) return absl::OkStatus();
  if (error != EINVAL && error != ENOSYS) return folder.Error(entry.name, "renaming", error);
  // Not on this file system. A second name keeps the old file, without a gap.
  if (aside != Standing::kOld && folder.Link(entry.name, entry.aside) != 0) {
    error = folder.Rename(entry.name, entry.aside, 0);
    if (error != 0) return folder.Error(entry.name, "moving the old file away", error);
  }
  error = folder.Rename(entry.staged, entry.name, 0);
  return error == 0 ? absl::OkStatus() : folder.Error(entry.name, "renaming", error);
}

absl::Status Remove(const Folder& folder, const JournalEntry& entry, const std::string& name) {
  const int error = folder.Remove(name);
  return error == 0 ? absl::OkStatus() : folder.Error(entry.name, "removing it", error);
}

absl::Status RestoreOld(const Folder& folder, const JournalEntry& entry, const Sight& sight) {
  // Some layered file systems give a file another inode when it is moved; under the temporary name,
  // which nobody else knows, it is the old file all the same.
  const bool exchanged = sight.staged == Standing::kOld ||
                         (sight.staged == Standing::kOther && sight.target == Standing::kNew);
  if (!exchanged && sight.aside != Standing::kOld) {
    if (sight.target == Standing::kNothing) return absl::OkStatus();
    return WriteError(folder.PathOf(entry.name), ": the file that it replaced is gone");
  }
  const int error = folder.Rename(exchanged ? entry.staged : entry.aside, entry.name, 0);
  return error == 0 ? absl::OkStatus()
                    : folder.Error(entry.name, "bringing the old file back", error);
}

}  // namespace

absl::StatusOr<Sight> LookAt(const Folder& folder, const JournalEntry& entry) {
  Sight sight;
  ONNXQUANT_ASSIGN_OR_RETURN(sight.target, StandingOf(folder, entry.name, entry));
  ONNXQUANT_ASSIGN_OR_RETURN(sight.staged, StandingOf(folder, entry.staged, entry));
  ONNXQUANT_ASSIGN_OR_RETURN(sight.aside, StandingOf(folder, entry.aside, entry));
  return sight;
}

bool CanPlace(const JournalEntry& entry, const Sight& sight) {
  if (entry.action == Action::kRemove || sight.target == Standing::kNew) return true;
  if (sight.staged == Standing::kNew) {
    return sight.target == Standing::kNothing || sight.target == Standing::kOld;
  }
  // It was in place, and was replaced since by somebody else.
  return sight.target == Standing::kOther &&
         (sight.staged == Standing::kOld || sight.aside == Standing::kOld);
}

absl::Status Place(const Folder& folder, const JournalEntry& entry) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Sight sight, LookAt(folder, entry));
  if (entry.action == Action::kRemove) {
    if (sight.target != Standing::kOld) return absl::OkStatus();
    // Under both names: an earlier process got no further than to the second.
    if (sight.aside == Standing::kOld) return Remove(folder, entry, entry.name);
    return MoveTo(folder, entry, entry.name, entry.aside, "moving the old file away");
  }
  if (!CanPlace(entry, sight)) {
    return sight.target == Standing::kOther
               ? Occupied(folder, entry)
               : WriteError(folder.PathOf(entry.name), ": its temporary file is gone");
  }
  if (sight.target == Standing::kNothing) {
    return MoveTo(folder, entry, entry.staged, entry.name, "renaming");
  }
  if (sight.target == Standing::kOld) return ReplaceOld(folder, entry, sight.aside);
  return absl::OkStatus();
}

absl::Status TakeBack(const Folder& folder, const JournalEntry& entry) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Sight sight, LookAt(folder, entry));
  if (entry.action == Action::kPlace && sight.target == Standing::kNew) {
    ONNXQUANT_RETURN_IF_ERROR(Remove(folder, entry, entry.name));
  }
  if (entry.action == Action::kReplace &&
      (sight.target == Standing::kNew || sight.target == Standing::kNothing)) {
    ONNXQUANT_RETURN_IF_ERROR(RestoreOld(folder, entry, sight));
  }
  if (entry.action == Action::kRemove && sight.target == Standing::kNothing &&
      sight.aside == Standing::kOld) {
    ONNXQUANT_RETURN_IF_ERROR(
        MoveTo(folder, entry, entry.aside, entry.name, "bringing the old file back"));
  }
  if (sight.staged == Standing::kNew) return Remove(folder, entry, entry.staged);
  return absl::OkStatus();
}

void RemoveLeftovers(const Folder& folder, const JournalEntry& entry) {
  const absl::StatusOr<Sight> sight = LookAt(folder, entry);
  if (!sight.ok()) return;
  const auto ours = [](Standing standing) {
    return standing == Standing::kNew || standing == Standing::kOld;
  };
  if (ours(sight->staged)) folder.Remove(entry.staged);
  if (ours(sight->aside)) folder.Remove(entry.aside);
}

}  // namespace onnxquant
