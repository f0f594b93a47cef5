#include "lib/files/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "lib/base/error.h"

namespace onnxquant {
namespace {

FileState Describe(const struct stat& status) {
  FileState state;
  state.exists = true;
  state.mode = status.st_mode;
  state.user = status.st_uid;
  state.group = status.st_gid;
  state.identity.inode = status.st_ino;
  state.identity.size = static_cast<std::uint64_t>(status.st_size);
  state.identity.modified = static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000U +
                            static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
  return state;
}

}  // namespace

std::string ParentFolder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

absl::StatusOr<FolderPtr> Folder::Open(const std::string& path, const char* option) {
  Descriptor descriptor(
      Retry([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!descriptor.valid()) {
    if (errno == ENOTDIR) return WriteError(path, ": is not a folder; the outputs need one");
    return SystemError(path, "opening the folder", errno, option);
  }
  struct stat status = {};
  if (fstat(descriptor.number(), &status) != 0) {
    return SystemError(path, "reading what the folder is", errno, option);
  }
  const auto folder = std::shared_ptr<Folder>(new Folder(path, option, std::move(descriptor)));
  folder->owner_ = status.st_uid;
  folder->key_ = {status.st_dev, status.st_ino};
  return FolderPtr(folder);
}

std::string Folder::PathOf(const std::string& name) const {
  return (std::filesystem::path(path_) / name).string();
}

absl::Status Folder::Error(const std::string& name, const char* what, int error) const {
  return SystemError(PathOf(name), what, error, option_);
}

absl::StatusOr<FileState> Folder::Look(const std::string& name) const {
  struct stat status = {};
  if (fstatat(descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return Describe(status);
  }
  if (errno == ENOENT) return FileState{};
  return Error(name, "reading what it is", errno);
}

absl::StatusOr<std::vector<std::string>> Folder::Names() const {
  // Another opening of the folder: a copy of the descriptor would share the place in it.
  const int again =
      Retry([&] { return openat(descriptor(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (again < 0) return SystemError(path_, "opening the folder", errno, option_);
  DIR* stream = fdopendir(again);
  if (stream == nullptr) {
    const int error = errno;
    close(again);
    return SystemError(path_, "listing the folder", error, option_);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream)) names.emplace_back(entry->d_name);
  const int error = errno;
  closedir(stream);
  if (error != 0) return SystemError(path_, "listing the folder", error, option_);
  std::sort(names.begin(), names.end());
  return names;
}

bool Folder::InPlace() const {
  struct stat status = {};
  return stat(path_.c_str(), &status) == 0 && std::pair(status.st_dev, status.st_ino) == key_;
}

int Folder::Rename(const std::string& from, const std::string& to, unsigned flags) const {
  // Plain renaming where no flag is asked for: some file systems know no other.
  const int result = flags == 0
                         ? renameat(descriptor(), from.c_str(), descriptor(), to.c_str())
                         : renameat2(descriptor(), from.c_str(), descriptor(), to.c_str(), flags);
  return result == 0 ? 0 : errno;
}

int Folder::Link(const std::string& from, const std::string& to) const {
  return linkat(descriptor(), from.c_str(), descriptor(), to.c_str(), 0) == 0 ? 0 : errno;
}

int Folder::Remove(const std::string& name) const {
  if (unlinkat(descriptor(), name.c_str(), 0) == 0 || errno == ENOENT) return 0;
  return errno;
}

absl::Status Folder::Sync() const {
  if (Retry([&] { return fsync(descriptor()); }) == 0 || errno == EINVAL) return absl::OkStatus();
  return SystemError(path_, "syncing the folder", errno, option_);
}

absl::StatusOr<FileState> StateOf(int descriptor, const std::string& path, const char* option) {
  struct stat status = {};
  if (fstat(descriptor, &status) == 0) return Describe(status);
  return SystemError(path, "reading what it is", errno, option);
}

}  // namespace onnxquant
