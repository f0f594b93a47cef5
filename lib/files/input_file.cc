#include "lib/files/input_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

// Of all files together that stay open.
std::atomic<std::uint64_t> held{0};

FileStamp StampFrom(const struct stat& status) {
  FileStamp stamp;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.links = status.st_nlink;
  stamp.size = static_cast<std::uint64_t>(status.st_size);
  stamp.written = status.st_mtim;
  stamp.changed = status.st_ctim;
  return stamp;
}

const char* KindOfFile(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something else";
}

// Opens what `named` (O_PATH) stands for, and nothing else.
int OpenToRead(int named, const std::string& path) {
  const int file = open(absl::StrCat("/proc/self/fd/", named).c_str(), O_RDONLY | O_CLOEXEC);
  if (file >= 0 || errno != ENOENT) return file;
  // No /proc here: by its name, and then it must be the same file.
  const int by_name = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (by_name < 0) return -1;
  const std::optional<FileStamp> meant = StampOf(named);
  const std::optional<FileStamp> opened = StampOf(by_name);
  if (meant.has_value() && opened.has_value() && meant->SameFile(*opened)) return by_name;
  close(by_name);
  errno = ESTALE;
  return -1;
}

std::string RealPath(int file) {
  std::array<char, 4096> text = {};
  const ssize_t length =
      readlink(absl::StrCat("/proc/self/fd/", file).c_str(), text.data(), text.size());
  if (length <= 0 || static_cast<std::size_t>(length) == text.size()) return "";
  std::string path(text.data(), static_cast<std::size_t>(length));
  // A removed file has a suffix, and one beyond the process's root a prefix: believed only if the
  // file lies there.
  const std::optional<FileStamp> there = StampAt(path);
  const std::optional<FileStamp> opened = StampOf(file);
  return there.has_value() && opened.has_value() && there->SameFile(*opened) ? path : "";
}

// A second write in one tick of the clock leaves the times as the first did.
FileStamp StampAfterTick(int file, FileStamp stamp) {
  constexpr int kMostMilliseconds = 20;  // a tick is 1 to 10 of them
  for (int waited = 0; waited < kMostMilliseconds; ++waited) {
    std::timespec now = {};
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) break;
    if (now.tv_sec != stamp.changed.tv_sec || now.tv_nsec != stamp.changed.tv_nsec) break;
    usleep(1000);
    if (const auto later = StampOf(file); later.has_value()) stamp = *later;
  }
  return stamp;
}

}  // namespace

std::optional<FileStamp> StampOf(int descriptor) {
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) return std::nullopt;
  return StampFrom(status);
}

std::optional<FileStamp> StampAt(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return StampFrom(status);
}

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  InputFile file;
  file.path_ = path;
  // Only a name so far: nothing is read, and no driver hears of it.
  const int named = open(path.c_str(), O_PATH | O_CLOEXEC);
  if (named < 0) return ModelError(path, ": cannot be opened: ", std::strerror(errno));
  struct stat status = {};
  if (fstat(named, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(named);
    return ModelError(path, ": is not a regular file but ", KindOfFile(status.st_mode));
  }
  file.descriptor_ = OpenToRead(named, path);
  const int error = errno;
  close(named);
  if (file.descriptor_ < 0) return ModelError(path, ": cannot be opened: ", std::strerror(error));
  const std::optional<FileStamp> stamp = StampOf(file.descriptor_);
  if (!stamp.has_value()) return ModelError(path, ": cannot be opened: ", std::strerror(errno));
  file.stamp_ = StampAfterTick(file.descriptor_, *stamp);
  file.real_path_ = RealPath(file.descriptor_);
  return file;
}

InputFile::InputFile(InputFile&& other) noexcept {
  *this = std::move(other);
}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(real_path_, other.real_path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(held_, other.held_);
  std::swap(stamp_, other.stamp_);
  return *this;
}

InputFile::~InputFile() {
  Close();
}

void InputFile::Close() {
  if (descriptor_ >= 0) close(descriptor_);
  if (held_) held.fetch_sub(1);
  descriptor_ = -1;
  held_ = false;
}

void InputFile::CloseUnlessFew() {
  rlimit limit = {};
  if (descriptor_ < 0 || held_ || getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  // Descriptors are given out from the lowest: a high one says that the program has many open.
  const bool low = static_cast<rlim_t>(descriptor_) < limit.rlim_cur / 2;
  if (low && held.fetch_add(1) < limit.rlim_cur / 4) {
    held_ = true;
    return;
  }
  if (low) held.fetch_sub(1);
  Close();
}

}  // namespace onnxquant
