#include "lib/files/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

bool Same(const std::timespec& a, const std::timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

absl::Status Changed(const std::string& path, const std::string& how) {
  return ModelError(path, ": was changed after it was read; plan again (run the command again) ",
                    "once nothing writes to it: ", how);
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  ONNXQUANT_ASSIGN_OR_RETURN(InputFile file, InputFile::Open(path));
  return Map(std::move(file));
}

absl::StatusOr<MappedFile> MappedFile::Map(InputFile file) {
  const auto size = static_cast<std::size_t>(file.stamp().size);
  void* data = nullptr;
  if (size > 0) {
    data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
    if (data == MAP_FAILED) {
      return ModelError(file.path(), ": cannot be mapped: ", std::strerror(errno));
    }
    madvise(data, size, MADV_SEQUENTIAL);
  }
  file.CloseUnlessFew();
  MappedFile mapped(std::move(file));
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = size;
  if (size > 0) mapped.guard_ = FaultGuard(data, size);
  return mapped;
}

MappedFile::MappedFile(InputFile file) : file_(std::move(file)) {}

MappedFile::MappedFile(MappedFile&& other) noexcept : file_(std::move(other.file_)) {
  std::swap(guard_, other.guard_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(guard_, other.guard_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

absl::Status MappedFile::CheckUnchanged() const {
  const FileStamp& then = file_.stamp();
  const std::optional<FileStamp> there = StampAt(path());
  const bool in_place = there.has_value() && there->SameFile(then);
  const std::optional<FileStamp> now = in_place                  ? there
                                       : file_.descriptor() >= 0 ? StampOf(file_.descriptor())
                                                                 : std::nullopt;
  if (!now.has_value()) {
    return Changed(path(), "it is no longer there, and what was opened cannot be looked at");
  }
  if (now->size != then.size) {
    return Changed(path(), absl::StrCat("it had ", then.size, " bytes, and has ", now->size));
  }
  if (!Same(now->written, then.written)) return Changed(path(), "it was written to");
  // Giving the file another name, or taking one away, changes this time too.
  if (in_place && now->links == then.links && !Same(now->changed, then.changed)) {
    return Changed(path(), "it was written to, or its attributes were set");
  }
  if (!guard_.damaged()) return absl::OkStatus();
  return ModelError(path(),
                    ": a part of it cannot be read, though nobody has changed it: its disk ",
                    "or network fails; copy the file elsewhere and use the copy");
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  guard_ = FaultGuard();
  munmap(const_cast<std::byte*>(data_), size_);
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
