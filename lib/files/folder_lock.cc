#include "lib/files/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr auto kBetweenAttempts = std::chrono::milliseconds(10);
constexpr auto kSilence = std::chrono::seconds(1);

std::vector<FolderPtr> InOrder(absl::Span<const FolderPtr> folders) {
  std::vector<FolderPtr> ordered(folders.begin(), folders.end());
  const auto key = [](const FolderPtr& one, const FolderPtr& other) {
    return one->key() < other->key();
  };
  std::sort(ordered.begin(), ordered.end(), key);
  const auto same = [](const FolderPtr& one, const FolderPtr& other) {
    return one->key() == other->key();
  };
  ordered.erase(std::unique(ordered.begin(), ordered.end(), same), ordered.end());
  return ordered;
}

}  // namespace

FolderLock::Attempt FolderLock::Try(const Folder& folder, Descriptor& descriptor) {
  if (!descriptor.valid()) {
    // An opening of its own: locks belong to openings, and go with them.
    descriptor = Descriptor(Retry(
        [&] { return openat(folder.descriptor(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!descriptor.valid()) return Attempt::kImpossible;
  }
  if (Retry([&] { return flock(descriptor.number(), LOCK_EX | LOCK_NB); }) == 0) {
    return Attempt::kHeld;
  }
  return errno == EWOULDBLOCK ? Attempt::kBusy : Attempt::kImpossible;
}

absl::StatusOr<std::vector<FolderLock>> FolderLock::LockAll(absl::Span<const FolderPtr> folders,
                                                            const Waiting& waiting) {
  std::vector<FolderLock> locks;
  const auto start = std::chrono::steady_clock::now();
  bool said = false;
  for (const FolderPtr& folder : InOrder(folders)) {
    Descriptor descriptor;
    Attempt attempt = Try(*folder, descriptor);
    while (attempt == Attempt::kBusy) {
      ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(waiting.cancelled));
      if (!said && waiting.notice && std::chrono::steady_clock::now() - start > kSilence) {
        said = true;
        waiting.notice(
            absl::StrCat(folder->path(), ": waiting for another run, which is writing there"));
      }
      std::this_thread::sleep_for(kBetweenAttempts);
      attempt = Try(*folder, descriptor);
    }
    if (attempt == Attempt::kImpossible) descriptor = Descriptor();
    locks.push_back(FolderLock(folder, std::move(descriptor)));
  }
  return locks;
}

std::vector<FolderLock> FolderLock::TryAll(absl::Span<const FolderPtr> folders) {
  std::vector<FolderLock> locks;
  for (const FolderPtr& folder : InOrder(folders)) {
    Descriptor descriptor;
    const Attempt attempt = Try(*folder, descriptor);
    if (attempt == Attempt::kBusy) return {};
    if (attempt == Attempt::kImpossible) descriptor = Descriptor();
    locks.push_back(FolderLock(folder, std::move(descriptor)));
  }
  return locks;
}

}  // namespace onnxquant
