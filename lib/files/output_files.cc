#include "lib/files/output_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

// Distinguishes the temporary files of one process.
std::atomic<int> next_number{0};

absl::Status SystemError(const std::string& path, const char* what, int error) {
  const char* remedy = "";
  if (error == ENOSPC || error == EDQUOT)
    remedy = ": free some space or choose another folder (-o)";
  if (error == EACCES || error == EROFS || error == EPERM) remedy = ": choose another folder (-o)";
  if (error == EFBIG) remedy = ": raise the limit on file sizes (ulimit -f)";
  return WriteError(path, ": ", what, " failed: ", std::strerror(error), remedy);
}

absl::Status Reserve(int descriptor, const std::string& path, std::uint64_t size) {
  if (size == 0) return absl::OkStatus();
  int error = 0;
  do {
    error = posix_fallocate(descriptor, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  // Some file systems cannot reserve; there a full disk shows while writing.
  if (error == EOPNOTSUPP || error == EINVAL) {
    error = ftruncate(descriptor, static_cast<off_t>(size)) == 0 ? 0 : errno;
  }
  return error == 0 ? absl::OkStatus() : SystemError(path, "reserving space", error);
}

absl::Status SyncFolder(const std::string& directory) {
  const int folder = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return SystemError(directory, "opening the folder", errno);
  const int error = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  // Some file systems cannot sync folders.
  if (error == 0 || error == EINVAL) return absl::OkStatus();
  return SystemError(directory, "syncing the folder", error);
}

}  // namespace

OutputFiles::OutputFiles(std::string directory, const Options& options)
    : directory_(std::move(directory)), options_(options) {}

OutputFiles::OutputFiles(OutputFiles&& other) noexcept
    : directory_(std::move(other.directory_)),
      options_(other.options_),
      made_folders_(std::move(other.made_folders_)),
      protected_(std::move(other.protected_)),
      stale_(std::move(other.stale_)),
      files_(std::move(other.files_)),
      committed_(std::exchange(other.committed_, true)) {}

OutputFiles::~OutputFiles() {
  if (!committed_) Discard();
}

std::string OutputFiles::PathOf(const std::string& name) const {
  return (fs::path(directory_) / name).string();
}

absl::StatusOr<OutputFiles> OutputFiles::Create(const std::string& directory,
                                                const Options& options) {
  OutputFiles files(directory, options);
  std::error_code error;
  std::vector<std::string> missing;
  for (fs::path path = fs::path(directory).lexically_normal();
       !path.empty() && !fs::exists(path, error); path = path.parent_path()) {
    if (!path.filename().empty()) missing.push_back(path.string());
  }
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
    if (mkdir(folder->c_str(), 0777) != 0 && errno != EEXIST) {
      return SystemError(*folder, "creating the folder", errno);
    }
    files.made_folders_.push_back(*folder);
  }
  if (!fs::is_directory(directory, error)) {
    return WriteError(directory, ": is not a folder; the outputs need one");
  }
  return files;
}

void OutputFiles::Protect(const std::string& path) {
  protected_.push_back(path);
}

void OutputFiles::RemoveOnCommit(const std::vector<std::string>& names) {
  stale_.insert(stale_.end(), names.begin(), names.end());
}

std::string OutputFiles::InputAt(const std::string& path) const {
  std::error_code error;
  for (const std::string& input : protected_) {
    if (fs::equivalent(path, input, error)) return input;
  }
  return "";
}

absl::Status OutputFiles::CheckTarget(const std::string& name, bool replace) const {
  if (name.empty() || fs::path(name).filename() != name) {
    return WriteError("'", name, "' is no plain file name");
  }
  const std::string path = PathOf(name);
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) return absl::OkStatus();
  if (const std::string input = InputAt(path); !input.empty()) {
    return WriteError(path, ": is part of the input (", input,
                      "), which is never written to; choose another place (", options_.option, ")");
  }
  if (fs::is_directory(path, error)) return WriteError(path, ": is a folder");
  if (options_.force || replace) return absl::OkStatus();
  return WriteError(path, ": exists already; --force replaces it, ", options_.option,
                    " writes elsewhere");
}

absl::StatusOr<int> OutputFiles::Add(const std::string& name, std::uint64_t size, bool replace) {
  ONNXQUANT_RETURN_IF_ERROR(CheckTarget(name, replace));
  File file;
  file.name = name;
  file.replace = options_.force || replace;
  file.temporary = PathOf(absl::StrCat(".", name, ".", getpid(), "-", next_number++, ".tmp"));
  file.descriptor = open(file.temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.descriptor < 0) return SystemError(PathOf(name), "creating it", errno);
  const int descriptor = file.descriptor;
  files_.push_back(std::move(file));
  ONNXQUANT_RETURN_IF_ERROR(Reserve(descriptor, PathOf(name), size));
  return static_cast<int>(files_.size()) - 1;
}

absl::Status OutputFiles::WriteAt(int index, std::uint64_t offset,
                                  absl::Span<const std::byte> bytes) const {
  const File& file = files_[static_cast<std::size_t>(index)];
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(file.descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError(PathOf(file.name), "writing", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status OutputFiles::Rename(File& file) {
  const std::string target = PathOf(file.name);
  std::error_code error;
  if (fs::is_directory(fs::symlink_status(target, error))) {
    return WriteError(target, ": is a folder; it appeared while the output was written");
  }
  if (!file.replace) {
    const int renamed =
        renameat2(AT_FDCWD, file.temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE);
    if (renamed == 0) {
      file.temporary.clear();
      return absl::OkStatus();
    }
    if (errno == EEXIST) {
      return WriteError(target, ": appeared while the output was written, and was left alone");
    }
    // Some file systems know no such renaming (EINVAL): then as below.
    if (errno != EINVAL) return SystemError(target, "renaming", errno);
  }
  if (fs::exists(fs::symlink_status(target, error))) {
    // Not `target` itself: until the new file is in place, the old one must be restorable.
    const std::string backup = absl::StrCat(file.temporary, ".old");
    if (std::rename(target.c_str(), backup.c_str()) != 0) {
      return SystemError(target, "moving the old file away", errno);
    }
    file.backup = backup;
  }
  if (std::rename(file.temporary.c_str(), target.c_str()) != 0) {
    return SystemError(target, "renaming", errno);
  }
  file.temporary.clear();
  return absl::OkStatus();
}

absl::Status OutputFiles::Commit() {
  for (File& file : files_) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));
    if (fsync(file.descriptor) != 0) return SystemError(PathOf(file.name), "syncing", errno);
    if (close(std::exchange(file.descriptor, -1)) != 0) {
      return SystemError(PathOf(file.name), "closing", errno);
    }
  }
  ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(options_.cancelled));  // a sync may take long
  for (File& file : files_) {
    absl::Status status = Rename(file);
    if (status.ok()) continue;
    RollBack();
    return status;
  }
  committed_ = true;
  for (const File& file : files_) {
    if (!file.backup.empty()) unlink(file.backup.c_str());
  }
  for (const std::string& name : stale_) {
    if (InputAt(PathOf(name)).empty()) unlink(PathOf(name).c_str());
  }
  return SyncFolder(directory_);
}

void OutputFiles::RollBack() {
  for (File& file : files_) {
    const std::string target = PathOf(file.name);
    if (file.temporary.empty()) unlink(target.c_str());
    // Best effort: the error that led here is the one to report.
    if (!file.backup.empty()) static_cast<void>(std::rename(file.backup.c_str(), target.c_str()));
  }
}

void OutputFiles::Discard() {
  for (const File& file : files_) {
    if (file.descriptor >= 0) close(file.descriptor);
    if (!file.temporary.empty()) unlink(file.temporary.c_str());
  }
  for (auto folder = made_folders_.rbegin(); folder != made_folders_.rend(); ++folder) {
    rmdir(folder->c_str());
  }
}

}  // namespace onnxquant
