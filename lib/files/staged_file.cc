#include "lib/files/staged_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/files/own_names.h"

namespace onnxquant {
namespace {

// A file without a name can be given one through here only.
std::string LinkTo(int descriptor) {
  return absl::StrCat("/proc/self/fd/", descriptor);
}

// Whether the process may open more files now than before: many systems let it have hundreds of
// times as many as it begins with.
bool RaiseOpenFiles() {
  struct rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

Descriptor OpenAt(const Folder& folder, const char* name, int flags) {
  const auto open = [&] {
    return Retry(
        [&] { return openat(folder.descriptor(), name, flags | O_RDWR | O_CLOEXEC, 0666); });
  };
  int file = open();
  if (file < 0 && errno == EMFILE && RaiseOpenFiles()) file = open();
  return Descriptor(file);
}

Descriptor OpenUnnamed(const Folder& folder) {
  return OpenAt(folder, ".", O_TMPFILE);
}

Descriptor OpenNew(const Folder& folder, const std::string& name) {
  return OpenAt(folder, name.c_str(), O_CREAT | O_EXCL);
}

// 0, or what errno says.
int Name(int descriptor, const Folder& folder, const std::string& name) {
  const int result = linkat(AT_FDCWD, LinkTo(descriptor).c_str(), folder.descriptor(), name.c_str(),
                            AT_SYMLINK_FOLLOW);
  return result == 0 ? 0 : errno;
}

// Another run may take the file for litter in the moment before it is locked.
bool LockedAndThere(int descriptor) {
  if (Retry([&] { return flock(descriptor, LOCK_EX | LOCK_NB); }) != 0 && errno == EWOULDBLOCK) {
    return false;
  }
  struct stat status = {};
  return fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

}  // namespace

StagedFile::StagedFile(FolderPtr folder, std::string target, Descriptor descriptor,
                       std::string name)
    : folder_(std::move(folder)),
      target_(std::move(target)),
      descriptor_(std::move(descriptor)),
      name_(std::move(name)) {}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : folder_(std::move(other.folder_)),
      target_(std::move(other.target_)),
      descriptor_(std::move(other.descriptor_)),
      name_(std::exchange(other.name_, "")),
      source_(std::move(other.source_)),
      source_name_(std::move(other.source_name_)),
      moved_(other.moved_) {}

StagedFile::~StagedFile() {
  if (name_.empty()) return;
  if (moved_) {
    renameat(folder_->descriptor(), name_.c_str(), source_->descriptor(), source_name_.c_str());
  } else {
    folder_->Remove(name_);
  }
}

absl::Status StagedFile::Error(const char* what, int error) const {
  return SystemError(target_, what, error, folder_->option());
}

bool StagedFile::CanBeUnnamed(const Folder& folder) {
  const Descriptor file = OpenUnnamed(folder);
  const std::string name = NameOfOwn(OwnKind::kTemporary, MakeId());
  if (!file.valid() || Name(file.number(), folder, name) != 0) return false;
  folder.Remove(name);
  return true;
}

absl::StatusOr<StagedFile> StagedFile::Create(FolderPtr folder, std::string target, bool named) {
  if (!named) {
    Descriptor unnamed = OpenUnnamed(*folder);
    if (unnamed.valid()) {
      return StagedFile(std::move(folder), std::move(target), std::move(unnamed), "");
    }
  }
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string name = NameOfOwn(OwnKind::kTemporary, MakeId());
    Descriptor file = OpenNew(*folder, name);
    if (!file.valid()) return SystemError(target, "creating it", errno, folder->option());
    if (LockedAndThere(file.number())) {
      return StagedFile(std::move(folder), std::move(target), std::move(file), name);
    }
    folder->Remove(name);
  }
  return WriteError(target,
                    ": its temporary files are removed by another program; choose another "
                    "folder (",
                    folder->option(), ")");
}

absl::StatusOr<StagedFile> StagedFile::CreateAs(FolderPtr folder, std::string target,
                                                std::string name) {
  Descriptor file = OpenNew(*folder, name);
  if (!file.valid()) return SystemError(target, "creating it", errno, folder->option());
  return StagedFile(std::move(folder), std::move(target), std::move(file), std::move(name));
}

absl::StatusOr<StagedFile> StagedFile::Adopt(FolderPtr folder, std::string target,
                                             std::string name) {
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState state, folder->Look(name));
  if (!state.exists || !S_ISREG(state.mode)) {
    return WriteError(folder->PathOf(name),
                      state.exists ? ": is no regular file" : ": is not there any more");
  }
  StagedFile file(folder, std::move(target), Descriptor(), "");
  file.source_ = std::move(folder);
  file.source_name_ = std::move(name);
  return file;
}

absl::Status StagedFile::Reserve(std::uint64_t size) {
  if (size == 0) return absl::OkStatus();
  const int file = descriptor_.number();
  int error = 0;
  do {
    error = posix_fallocate(file, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  // Some file systems cannot reserve; there a full disk shows while writing.
  if (error == EOPNOTSUPP || error == EINVAL) {
    error = Retry([&] { return ftruncate(file, static_cast<off_t>(size)); }) == 0 ? 0 : errno;
  }
  return error == 0 ? absl::OkStatus() : Error("reserving space", error);
}

absl::Status StagedFile::WriteAt(std::uint64_t offset, absl::Span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = Retry([&] {
      return pwrite(descriptor_.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    if (written < 0) return Error("writing", errno);
    if (written == 0) return Error("writing", EIO);  // else this would never end
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status StagedFile::Sync() const {
  if (source_ != nullptr) return absl::OkStatus();  // who wrote it has synced it
  if (Retry([&] { return fsync(descriptor_.number()); }) == 0) return absl::OkStatus();
  return Error("syncing", errno);
}

absl::StatusOr<FileIdentity> StagedFile::Identity() const {
  if (source_ != nullptr) {
    ONNXQUANT_ASSIGN_OR_RETURN(const FileState state,
                               (moved_ ? *folder_ : *source_).Look(moved_ ? name_ : source_name_));
    return state.identity;
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState state,
                             StateOf(descriptor_.number(), target_, folder_->option()));
  return state.identity;
}

absl::Status StagedFile::KeepModeOf(const FileState& old) const {
  if (!old.exists || !S_ISREG(old.mode)) return absl::OkStatus();
  Descriptor opened;
  if (source_ != nullptr) {
    opened = Descriptor(Retry([&] {
      return openat(source_->descriptor(), source_name_.c_str(),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }));
    if (!opened.valid()) return Error("opening it", errno);
  }
  const int file = source_ != nullptr ? opened.number() : descriptor_.number();
  ONNXQUANT_ASSIGN_OR_RETURN(const FileState own, StateOf(file, target_, folder_->option()));
  if (own.user != old.user && fchown(file, old.user, old.group) != 0 && errno == EIO) {
    return Error("keeping the old file's owner", errno);
  }
  // Who may not give a file away may still be in its group.
  if (own.group != old.group && fchown(file, static_cast<uid_t>(-1), old.group) != 0 &&
      errno == EIO) {
    return Error("keeping the old file's group", errno);
  }
  if ((own.mode & 0777) != (old.mode & 0777) && fchmod(file, old.mode & 0777) != 0 &&
      errno == EIO) {
    return Error("keeping the old file's mode", errno);
  }
  return absl::OkStatus();
}

absl::Status StagedFile::NameAdopted(const Folder& folder, const std::string& name) {
  const int linked =
      linkat(source_->descriptor(), source_name_.c_str(), folder.descriptor(), name.c_str(), 0);
  if (linked == 0) return absl::OkStatus();
  const bool without_links = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ||
                             errno == EMLINK || errno == EINVAL;
  if (!without_links) return Error("naming it", errno);
  // The name is unlike any other: replacing is no danger.
  if (renameat(source_->descriptor(), source_name_.c_str(), folder.descriptor(), name.c_str()) !=
      0) {
    return Error("naming it", errno);
  }
  moved_ = true;
  return absl::OkStatus();
}

absl::Status StagedFile::Replace(const std::string& name) {
  const int error = folder_->Rename(name_, name, 0);
  if (error != 0) return Error("naming it", error);
  name_.clear();
  return absl::OkStatus();
}

absl::Status StagedFile::NameIt(FolderPtr folder, const std::string& name) {
  if (source_ != nullptr) {
    ONNXQUANT_RETURN_IF_ERROR(NameAdopted(*folder, name));
  } else if (!name_.empty()) {
    const int error = renameat2(folder_->descriptor(), name_.c_str(), folder->descriptor(),
                                name.c_str(), RENAME_NOREPLACE) == 0
                          ? 0
                          : errno;
    // Names that are given here are unlike any other: replacing is no danger.
    if (error == EINVAL || error == ENOSYS) {
      if (renameat(folder_->descriptor(), name_.c_str(), folder->descriptor(), name.c_str()) != 0) {
        return Error("naming it", errno);
      }
    } else if (error != 0) {
      return Error("naming it", error);
    }
  } else {
    // Locked first: no other run shall see it without its lock.
    Retry([&] { return flock(descriptor_.number(), LOCK_EX | LOCK_NB); });
    const int error = Name(descriptor_.number(), *folder, name);
    if (error != 0) return Error("naming it", error);
  }
  folder_ = std::move(folder);
  name_ = name;
  return absl::OkStatus();
}

}  // namespace onnxquant
