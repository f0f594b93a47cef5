// The commands. Each prints its result on stdout and returns an error status for main to print.
#ifndef ONNXQUANT_TOOLS_COMMANDS_H_
#define ONNXQUANT_TOOLS_COMMANDS_H_

#include "absl/status/status.h"
#include "tools/command_line.h"

namespace onnxquant::cli {

absl::Status Convert(const Arguments& arguments);
absl::Status ShowPlan(const Arguments& arguments);
absl::Status Inspect(const Arguments& arguments);
absl::Status Check(const Arguments& arguments);
absl::Status Diff(const Arguments& arguments);
absl::Status ShowRanges(const Arguments& arguments);
absl::Status ShowCalibration(const Arguments& arguments);
absl::Status ShowTuning(const Arguments& arguments);
absl::Status Verify(const Arguments& arguments);
absl::Status ShowRecovery(const Arguments& arguments);
absl::Status ShowPolicies(const Arguments& arguments);
absl::Status ShowFormats(const Arguments& arguments);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMMANDS_H_
