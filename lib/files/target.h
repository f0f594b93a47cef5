// What an output may replace.
#ifndef ONNXQUANT_LIB_FILES_TARGET_H_
#define ONNXQUANT_LIB_FILES_TARGET_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/files/folder.h"

namespace onnxquant {

struct TargetRules {
  bool force = false;         // what stands there may be replaced
  bool update = false;        // so may it without force, unless it is read-only
  const char* option = "-o";  // that chooses another place
};

// The input that stands at `path`, under whatever name or link; "" for none.
std::string InputAt(const std::string& path, const std::vector<std::string>& inputs);

// What stands there now. Refused (kWrite), by force too: an input, a folder, a device, a pipe, a
// socket, and links to these. Any other link is itself replaced, never what it leads to.
absl::StatusOr<FileState> CheckTarget(const Folder& folder, const std::string& name,
                                      const TargetRules& rules,
                                      const std::vector<std::string>& inputs);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_FILES_TARGET_H_
