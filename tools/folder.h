// A folder of models instead of one.
#ifndef ONNXQUANT_TOOLS_FOLDER_H_
#define ONNXQUANT_TOOLS_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/options.h"

namespace onnxquant::cli {

// Whether MODEL is a folder.
bool IsFolder(const std::string& model);

// kUsage where `of_one`, an option that is given and holds of one model only, is not "".
absl::Status RefuseWhatIsOfOne(const std::string& folder, const std::string& of_one);

// OptionsForFolder, as conversions; what the models agreed on is told. `of_one`: as above.
absl::StatusOr<std::vector<ConversionOptions>> ConversionsOf(const ConversionOptions& folder,
                                                             const std::string& of_one,
                                                             const Surroundings& surroundings);

// kUsage where --session is given for what is no folder.
absl::Status RefuseSessions(const ConversionOptions& conversion);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_FOLDER_H_
