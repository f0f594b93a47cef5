#include "lib/files/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/error.h"

namespace onnxquant {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return ModelError(path, ": cannot be opened: ", std::strerror(errno));
  struct stat status = {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(file);
    return ModelError(path, ": is not a regular file");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  const void* data = nullptr;
  if (size > 0) {
    data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
      const int error = errno;
      close(file);
      return ModelError(path, ": cannot be mapped: ", std::strerror(error));
    }
    madvise(const_cast<void*>(data), size, MADV_SEQUENTIAL);
  }
  close(file);
  MappedFile mapped;
  mapped.path_ = path;
  mapped.device_ = status.st_dev;
  mapped.inode_ = status.st_ino;
  mapped.written_ = status.st_mtim;
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = size;
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept {
  *this = std::move(other);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(written_, other.written_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

absl::Status MappedFile::CheckUnchanged() const {
  struct stat status = {};
  if (stat(path_.c_str(), &status) != 0 || status.st_dev != device_ || status.st_ino != inode_) {
    return absl::OkStatus();  // the mapping keeps the old file
  }
  const bool same = static_cast<std::size_t>(status.st_size) == size_ &&
                    status.st_mtim.tv_sec == written_.tv_sec &&
                    status.st_mtim.tv_nsec == written_.tv_nsec;
  if (same) return absl::OkStatus();
  return ModelError(path_, ": was changed after it was read; plan again");
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::Release(std::uint64_t offset, std::uint64_t length) const {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  // Only pages that lie wholly inside: the others may hold a neighbour's bytes.
  const std::uint64_t first = (offset + page - 1) / page * page;
  const std::uint64_t last = (offset + length) / page * page;
  if (first < last) {
    madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
  }
}

}  // namespace onnxquant
