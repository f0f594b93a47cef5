// After a run that was killed: what it had begun to put in place is finished, or taken back.
//
//   auto recovered = onnxquant::Recover("web/onnx");
//   if (recovered.ok() && recovered->nothing()) std::cout << "all was well\n";
#ifndef ONNXQUANT_RECOVER_H_
#define ONNXQUANT_RECOVER_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "onnxquant/error.h"
#include "onnxquant/export.h"

namespace onnxquant {

// How long Recover() waits for a run that is still writing there.
struct RecoverOptions {
  const std::atomic<bool>* cancelled = nullptr;                  // polled; set it to stop waiting
  std::function<void(const std::string& sentence)> notice = {};  // says what is waited for
};

// What was done, as paths.
struct Recovery {
  std::vector<std::string> completed = {};  // files of sets that are new as a whole
  std::vector<std::string> restored = {};   // files of sets that are old as a whole
  std::vector<std::string> removed = {};    // temporary files of processes that have ended

  bool nothing() const { return completed.empty() && restored.empty() && removed.empty(); }
};

// Looks at one folder, and at what the sets in it have in others. A set is finished where all its
// new files are still there, else taken back. ApplyPlan does the same to the folders that it writes
// to, before it writes. Errors: kUsage (no folder), kWrite, kCancelled.
ONNXQUANT_EXPORT absl::StatusOr<Recovery> Recover(const std::string& directory,
                                                  const RecoverOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_RECOVER_H_
