// A set of files, in one folder or several, that appear together or not at all.
#ifndef ONNXQUANT_LIB_FILES_OUTPUT_FILES_H_
#define ONNXQUANT_LIB_FILES_OUTPUT_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/files/folder.h"
#include "lib/files/folder_lock.h"
#include "lib/files/recovery.h"
#include "lib/files/staged_file.h"
#include "lib/files/target.h"

namespace onnxquant {

// Each file is written without its name, with its space reserved first, so that a full disk is
// found before the work is done. Commit() puts them all in place (see commit.h), and settles before
// what an interrupted run has left in these folders; once the run is cancelled (kCancelled) nothing
// happens. Whatever is not committed goes with the object, a folder that it has made included.
class OutputFiles {
 public:
  struct Options {
    bool force = false;         // replace files that exist
    Waiting waiting = {};       // cancelled: looked at until files get their names
    const char* option = "-o";  // that chooses another place; errors name it
  };

  // A file outside of the main folder.
  struct Elsewhere {
    std::string path;
    // It is kept up to date: what stands there is replaced without force.
    bool update = false;
    const char* option = "-o";
  };

  static absl::StatusOr<OutputFiles> Create(const std::string& directory, const Options& options);

  OutputFiles(OutputFiles&& other) noexcept;
  OutputFiles& operator=(OutputFiles&&) = delete;
  ~OutputFiles();

  // Names an input: it is never replaced, under whatever name or link it is reached.
  void Protect(const std::string& path);

  // Returns the file's handle. Refused (kWrite): a name with a folder in it, what may not be
  // replaced (see target.h), a file that the set has already, a full disk.
  absl::StatusOr<int> Add(const std::string& name, std::uint64_t size);
  absl::StatusOr<int> AddElsewhere(const Elsewhere& place, std::uint64_t size);

  // The file `source` of another folder of the same file system, which has its content already,
  // becomes `name` in the main folder. It stays where it is until the set is committed, and
  // afterwards as a second name of the same file where the file system has links. No descriptor is
  // held.
  absl::StatusOr<int> Adopt(const std::string& name, const FolderPtr& folder,
                            const std::string& source);

  // Thread-safe for distinct ranges.
  absl::Status WriteAt(int file, std::uint64_t offset, absl::Span<const std::byte> bytes) const;

  // What was added turns out to be as it should: what stands there stays.
  void Leave(int file);

  // Files of an earlier run in the main folder to remove with the commit; inputs among them stay.
  void RemoveOnCommit(const std::vector<std::string>& names);

  // From here to the end of this object no other run writes into these folders: what depends on
  // their other files can be written now. What was written so far is made durable before.
  absl::Status Lock();

  absl::Status Commit();

  // What was left by interrupted runs, and has been settled.
  const Recovered& recovered() const { return recovered_; }

 private:
  struct File {
    std::size_t folder = 0;
    std::string name;
    TargetRules rules;
    StagedFile staged;
    bool left = false;
  };

  explicit OutputFiles(Options options) : options_(std::move(options)) {}
  absl::StatusOr<std::size_t> UseFolder(const std::string& directory, const char* option);
  absl::Status MakeFolders(const std::string& directory, const char* option);
  absl::StatusOr<int> AddTo(std::size_t folder, const std::string& name, const TargetRules& rules,
                            std::uint64_t size);
  absl::Status CheckNew(std::size_t folder, const std::string& name,
                        const TargetRules& rules) const;
  absl::Status SyncFiles() const;
  absl::StatusOr<bool> FoldersAreInPlace();
  absl::StatusOr<JournalEntry> EntryOf(const File& file) const;
  absl::StatusOr<PendingSet> MakeSet() const;
  void RemoveMadeFolders();

  Options options_;
  std::vector<std::string> made_folders_;  // innermost last
  std::vector<FolderPtr> folders_;         // the first is the main one
  std::vector<bool> unnamed_;              // by folder: whether files can be without a name
  std::vector<std::string> protected_;
  std::vector<std::string> stale_;
  std::vector<File> files_;
  std::vector<FolderLock> locks_;
  Recovered recovered_;
  bool committed_ = false;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_OUTPUT_FILES_H_
