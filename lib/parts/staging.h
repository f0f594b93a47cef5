// The folder in which data files wait until all are done. Any number of processes, on any machines,
// write to it without locks: a file is written under a name that no other process has, and is
// renamed when it is whole and synced; its record appears after it, so that a record says that its
// file is done. Two runs of one part make the same bytes: the later rename stands.
#ifndef ONNXQUANT_LIB_PARTS_STAGING_H_
#define ONNXQUANT_LIB_PARTS_STAGING_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/files/folder.h"
#include "lib/files/staged_file.h"
#include "lib/parts/record.h"

namespace onnxquant {

// How far a data file is.
struct DataFileState {
  std::optional<Record> record;  // it is done
  std::string why_not;           // "is not there", "has 10 bytes, expected 4096"
};

// What a file must be to be done.
struct Expected {
  std::string manifest;  // the id
  std::string file;
  std::uint64_t bytes = 0;
  bool verify = false;  // its hash, too
};

class Staging {
 public:
  // `directory`: of the outputs, which is made where it is missing, as the folder `name` in it is.
  // Errors: kWrite.
  static absl::StatusOr<Staging> Make(const std::string& directory, const std::string& name);
  // Nothing where it is missing, or empty, which removes it.
  static absl::StatusOr<std::optional<Staging>> Find(const std::string& directory,
                                                     const std::string& name);

  const FolderPtr& folder() const { return folder_; }

  // Errors: kUsage (the file is of another manifest), kWrite, kCancelled.
  absl::StatusOr<DataFileState> Look(const Expected& expected,
                                     const std::atomic<bool>* cancelled) const;

  // The file's record, whatever became of the file; nothing where there is none that can be read.
  // Errors: kUsage (it is of another manifest), kWrite.
  absl::StatusOr<std::optional<Record>> RecordOf(const std::string& manifest,
                                                 const std::string& file) const;

  // A file that is to become `file`, with its space reserved; what earlier runs left of theirs
  // goes.
  absl::StatusOr<StagedFile> Begin(const std::string& file, std::uint64_t bytes) const;

  // Makes it durable, gives it its name, and writes its record, whose hash it fills in.
  absl::Status Finish(StagedFile& staged, Record record, std::string& sha256,
                      const std::atomic<bool>* cancelled) const;

  // Notes that the manifest's files are all in place, before Clear() begins; and whether that was
  // noted.
  absl::Status MarkFinished(const std::string& manifest) const;
  bool IsFinished(const std::string& manifest) const;

  // SHA-256 of a file's first `bytes`; another text where it is shorter.
  static absl::StatusOr<std::string> HashOf(const Folder& folder, const std::string& name,
                                            std::uint64_t bytes,
                                            const std::atomic<bool>* cancelled);

  // Removes these files, their records and what runs left of them, and the folder if it is empty
  // then. What cannot be removed stays.
  void Clear(const std::vector<std::string>& files) const;

 private:
  explicit Staging(FolderPtr folder) : folder_(std::move(folder)) {}
  absl::Status WriteText(const std::string& name, const std::string& text) const;
  absl::Status WriteRecord(const Record& record) const;
  void RemoveUnfinished(const std::string& file) const;
  absl::StatusOr<absl::StatusOr<Record>> ReadRecord(const std::string& manifest,
                                                    const std::string& file) const;

  FolderPtr folder_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_STAGING_H_
