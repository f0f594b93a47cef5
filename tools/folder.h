// A folder of models instead of one.
#ifndef ONNXQUANT_TOOLS_FOLDER_H_
#define ONNXQUANT_TOOLS_FOLDER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "tools/command_line.h"

namespace onnxquant::cli {

// Whether MODEL is a folder.
bool IsFolder(const Arguments& arguments);

// The arguments for each model of the folder, in the order of their names: with its path, the
// policy and dtypes that --session gives it, and the folder of its outputs. Errors: kUsage (an
// argument that holds of one model only; a --session that no model's name fits), kModel.
absl::StatusOr<std::vector<Arguments>> ArgumentsOfSessions(const Arguments& arguments);

// kUsage where --session is given for what is no folder.
absl::Status RefuseSessions(const Arguments& arguments);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_FOLDER_H_
