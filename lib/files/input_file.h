// A regular file, opened for reading: what was opened, not what its name leads to by now.
#ifndef ONNXQUANT_LIB_FILES_INPUT_FILE_H_
#define ONNXQUANT_LIB_FILES_INPUT_FILE_H_

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace onnxquant {

// What tells one state of a file from another.
struct FileStamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 0;
  std::uint64_t size = 0;
  std::timespec written = {};  // its content
  std::timespec changed = {};  // its content, names or attributes; no program can set it

  bool SameFile(const FileStamp& other) const {
    return device == other.device && inode == other.inode;
  }
};

std::optional<FileStamp> StampOf(int descriptor);
std::optional<FileStamp> StampAt(const std::string& path);  // nothing where nothing lies

class InputFile {
 public:
  // Refused (kModel): what cannot be opened, and what is no regular file (a folder, a pipe, a
  // device, a socket), which is not even opened: that may wait, or have effects.
  static absl::StatusOr<InputFile> Open(const std::string& path);

  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  const std::string& path() const { return path_; }
  // The opened file's own absolute path, whatever links led to it; "" where the system cannot say.
  const std::string& real_path() const { return real_path_; }
  int descriptor() const { return descriptor_; }  // -1 once it is closed

  // As it was opened. What writes to the file afterwards leaves another stamp, even at once, on
  // file systems that keep time as fine as the system's clock ticks.
  const FileStamp& stamp() const { return stamp_; }

  // Closes the descriptor unless few are held yet: a model may have more files than a process may
  // have open, and the program needs some for itself.
  void CloseUnlessFew();

 private:
  InputFile() = default;
  void Close();

  std::string path_;
  std::string real_path_;
  int descriptor_ = -1;
  bool held_ = false;  // counted among those that stay open
  FileStamp stamp_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_INPUT_FILE_H_
