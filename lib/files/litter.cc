#include "lib/files/litter.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/files/own_names.h"

namespace onnxquant {
namespace {

enum class Lock { kTaken, kBusy, kUnknown };

// `file` keeps the lock, so that nobody takes the file for theirs before it is removed.
Lock TryLock(const Folder& folder, const std::string& name, Descriptor& file) {
  file = Descriptor(Retry([&] {
    return openat(folder.descriptor(), name.c_str(),
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  }));
  if (!file.valid()) return Lock::kUnknown;
  if (Retry([&] { return flock(file.number(), LOCK_EX | LOCK_NB); }) == 0) return Lock::kTaken;
  return errno == EWOULDBLOCK ? Lock::kBusy : Lock::kUnknown;
}

}  // namespace

void RemoveLitter(const Folder& folder, bool locked, std::vector<std::string>& removed) {
  const absl::StatusOr<std::vector<std::string>> names = folder.Names();
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::optional<OwnName> own = ParseOwnName(name);
    if (!own.has_value() || own->kind != OwnKind::kTemporary) continue;
    const absl::StatusOr<FileState> state = folder.Look(name);
    if (!state.ok() || !(S_ISREG(state->mode) || S_ISLNK(state->mode))) continue;
    Descriptor file;
    const Lock lock = TryLock(folder, name, file);
    if (lock == Lock::kBusy) continue;
    // A link, which once was replaced, cannot be locked; under the folder's lock nobody makes one.
    const bool sure = locked && (lock == Lock::kTaken || S_ISLNK(state->mode));
    if (!sure && !OwnerIsDead(*own)) continue;
    if (folder.Remove(name) == 0) removed.push_back(folder.PathOf(name));
  }
}

}  // namespace onnxquant
