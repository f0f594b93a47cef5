// A set of files in one folder that appear together or not at all.
#ifndef ONNXQUANT_LIB_FILES_OUTPUT_FILES_H_
#define ONNXQUANT_LIB_FILES_OUTPUT_FILES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace onnxquant {

// Each file is written under a temporary name (".<name>.<process>-<number>.tmp") in the target
// folder, with its space reserved first, so that a full disk is found before the work is done.
// Commit() syncs and renames them all; when a rename fails, what was already renamed is undone, and
// once it is cancelled (kCancelled) none is renamed.
// Whatever is not committed is removed by the destructor, a folder that Create() made included.
class OutputFiles {
 public:
  struct Options {
    bool force = false;                            // replace files that exist
    const std::atomic<bool>* cancelled = nullptr;  // looked at until files get their names
    const char* option = "-o";                     // that chooses another place; errors name it
  };

  static absl::StatusOr<OutputFiles> Create(const std::string& directory, const Options& options);

  OutputFiles(OutputFiles&& other) noexcept;
  OutputFiles& operator=(OutputFiles&&) = delete;
  ~OutputFiles();

  // Names an input: Add() refuses to replace it, under whatever name or link it is reached.
  void Protect(const std::string& path);

  // Returns the file's handle. Refused (kWrite): a name with a folder in it, a file that exists
  // (unless `replace` or the option force), an input, a full disk.
  absl::StatusOr<int> Add(const std::string& name, std::uint64_t size, bool replace = false);

  // Thread-safe for distinct ranges.
  absl::Status WriteAt(int file, std::uint64_t offset, absl::Span<const std::byte> bytes) const;

  // Files of an earlier run to remove with the commit; inputs among them stay.
  void RemoveOnCommit(const std::vector<std::string>& names);

  absl::Status Commit();

 private:
  struct File {
    std::string name;
    std::string temporary;  // path; "" once renamed
    std::string backup;     // path of what stood there before; "" for nothing
    bool replace = false;   // what stands there when it is renamed
    int descriptor = -1;
  };

  OutputFiles(std::string directory, const Options& options);
  std::string PathOf(const std::string& name) const;
  // The input that `path` is, under whatever name; "" for none.
  std::string InputAt(const std::string& path) const;
  absl::Status CheckTarget(const std::string& name, bool replace) const;
  absl::Status Rename(File& file);
  void RollBack();
  void Discard();

  std::string directory_;
  Options options_;
  std::vector<std::string> made_folders_;  // innermost last
  std::vector<std::string> protected_;
  std::vector<std::string> stale_;
  std::vector<File> files_;
  bool committed_ = false;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_OUTPUT_FILES_H_
