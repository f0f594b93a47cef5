// Whether what is about to be written runs where it is to run.
#ifndef ONNXQUANT_LIB_CONVERT_CHECK_TARGETS_H_
#define ONNXQUANT_LIB_CONVERT_CHECK_TARGETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/convert/planned_output.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy.h"

namespace onnxquant {

struct TargetsSaid {
  // Of each target that is asked for, how the output runs there; where none is, that an output for
  // browsers does not load on wasm.
  std::vector<std::string> runs;
  // Where none is: that it runs neither on the CPU nor on WebGPU.
  std::vector<std::string> warnings;
};

// Of the output as it would be written. Errors: kPolicy, where one of the policy's targets cannot
// run it: place, object, found, expected and the rule to set. Without targets nothing is refused,
// and outputs of more than kNodesUnasked nodes are not looked at. `for_browsers`: a configuration
// is told of it.
inline constexpr int kNodesUnasked = 50'000;
absl::StatusOr<TargetsSaid> CheckTargets(const Policy& policy, const std::string& model_path,
                                         const Analysis& analysis, const OutputPlan& plan,
                                         const PlannedOutput& output, bool for_browsers);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_CHECK_TARGETS_H_
