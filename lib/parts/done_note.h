// What a finished manifest leaves beside it: the SHA-256 of each file that was put in place, so
// that who finishes it again is told that all is done rather than that files exist.
#ifndef ONNXQUANT_LIB_PARTS_DONE_NOTE_H_
#define ONNXQUANT_LIB_PARTS_DONE_NOTE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/files/folder.h"
#include "lib/parts/manifest.h"

namespace onnxquant {

struct DoneFile {
  std::uint64_t bytes = 0;
  std::string sha256;
};
using DoneFiles = std::map<std::string, DoneFile>;  // by name

// Writes the note over any other. Errors: kWrite.
absl::Status WriteDoneNote(const Manifest& manifest, const DoneFiles& files);

// The files of the note, where there is one of this very manifest and all of them lie in the folder
// with the bytes that it says. Errors: kWrite (a file cannot be read), kCancelled.
absl::StatusOr<std::optional<DoneFiles>> DoneAlready(const Manifest& manifest, const Folder& folder,
                                                     const std::atomic<bool>* cancelled);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_PARTS_DONE_NOTE_H_
