// A file mapped for reading.
#ifndef ONNXQUANT_LIB_FILES_MAPPED_FILE_H_
#define ONNXQUANT_LIB_FILES_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

class MappedFile {
 public:
  // A regular file only: directories, pipes and devices are refused. A file that another process
  // shortens while it is mapped ends this process (SIGBUS), as with every mapping.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  // Error (kModel): the file was written to since it was opened, so that reading it gives something
  // else, or ends the process. That it was removed, or another put in its place, does not matter;
  // one that was shortened first and then removed is not seen: a model may have more files than a
  // process may hold open.
  absl::Status CheckUnchanged() const;

  absl::Span<const std::byte> bytes() const { return {data_, size_}; }

  // Tells the kernel that [offset, offset + length) will not be needed again soon.
  void Release(std::uint64_t offset, std::uint64_t length) const;

 private:
  MappedFile() = default;

  std::string path_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  std::timespec written_ = {};
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_MAPPED_FILE_H_
