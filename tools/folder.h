// A folder of models instead of one.
#ifndef ONNXQUANT_TOOLS_FOLDER_H_
#define ONNXQUANT_TOOLS_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/options.h"

namespace onnxquant::cli {

// Whether MODEL is a folder.
bool IsFolder(const ConversionOptions& conversion);

// What to convert of the folder, in the order of the models' names: each model's path, the policy
// and dtypes that --session gives it, and the folder of its outputs. `of_one`: an option that is
// given and holds of one model only; "" for none. Where the policy is left open, all get one: what
// one model gives another takes. Errors: kUsage (such an option; a --session that no model's name
// fits), kModel.
absl::StatusOr<std::vector<ConversionOptions>> ConversionsOf(const ConversionOptions& folder,
                                                             const std::string& of_one,
                                                             const Surroundings& surroundings);

// kUsage where --session is given for what is no folder.
absl::Status RefuseSessions(const ConversionOptions& conversion);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_FOLDER_H_
