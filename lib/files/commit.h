// Puts a set of files in place: all of it, or nothing.
#ifndef ONNXQUANT_LIB_FILES_COMMIT_H_
#define ONNXQUANT_LIB_FILES_COMMIT_H_

#include "absl/status/status.h"
#include "lib/files/records.h"

namespace onnxquant {

// All files are synced and have their temporary names, and the folders are locked. What it returns
// is the truth: with success all is in place, and durable; with an error all is as it was, unless
// the error says that the set is half in place, and how it is recovered. In neither case are there
// temporary files left to care for. A process that is killed on the way leaves the old set or,
// from the journal's appearance on, the new one, as soon as the next run or `recover` sees it.
absl::Status CommitSet(const PendingSet& set);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_COMMIT_H_
