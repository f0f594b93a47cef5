// A file mapped for reading.
#ifndef ONNXQUANT_LIB_FILES_MAPPED_FILE_H_
#define ONNXQUANT_LIB_FILES_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/fault_guard.h"
#include "lib/files/input_file.h"

namespace onnxquant {

// Other processes may write to the file meanwhile: reading bytes() never ends this process, but
// what was read counts only after CheckUnchanged() has said so.
class MappedFile {
 public:
  // A regular file only: see InputFile.
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  static absl::StatusOr<MappedFile> Map(InputFile file);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  // Error (kModel): the file was written to or shortened since it was opened, or cannot be read, so
  // that bytes() may hold something else. That it was renamed or removed, or another put in its
  // place, does not matter: the mapping keeps the old one. Of a file that is no longer open (see
  // InputFile::CloseUnlessFew) and no longer where it was, nobody can say, which is an error too.
  //
  // Not seen: a write after which the old time of writing is set and the file gains or loses a
  // name, all within one run; and a write that the file system gives no time of its own.
  absl::Status CheckUnchanged() const;

  const std::string& path() const { return file_.path(); }
  const std::string& real_path() const { return file_.real_path(); }
  absl::Span<const std::byte> bytes() const { return {data_, size_}; }

  // Tells the kernel that [offset, offset + length) will not be needed again soon.
  void Release(std::uint64_t offset, std::uint64_t length) const;

 private:
  explicit MappedFile(InputFile file);

  InputFile file_;
  FaultGuard guard_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_MAPPED_FILE_H_
