// Statistics that a conversion makes on its way.
#ifndef ONNXQUANT_TOOLS_OWN_STATISTICS_H_
#define ONNXQUANT_TOOLS_OWN_STATISTICS_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "lib/files/temporary_folder.h"
#include "tools/command.h"

namespace onnxquant::cli {

// A file of statistics that goes with the object.
class OwnStatistics {
 public:
  // Runs the model as 'onnxquant calibrate' does by default, on `tokens`: "self", or a file. Shows
  // progress and prints warnings. Errors: those of CalibrateToFile and TemporaryFolder.
  static absl::StatusOr<OwnStatistics> Make(const std::string& model, const std::string& tokens,
                                            const Surroundings& surroundings);

  std::string path() const;

 private:
  explicit OwnStatistics(TemporaryFolder folder) : folder_(std::move(folder)) {}

  TemporaryFolder folder_;
};

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_OWN_STATISTICS_H_
