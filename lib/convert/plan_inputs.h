// What options of a plan name, read.
#ifndef ONNXQUANT_LIB_CONVERT_PLAN_INPUTS_H_
#define ONNXQUANT_LIB_CONVERT_PLAN_INPUTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/model/model.h"
#include "lib/policy/evidence.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy.h"
#include "lib/policy/policy_yaml.h"
#include "lib/statistics/calibration_file.h"
#include "onnxquant/quantize.h"

namespace onnxquant {

// The policy's text, which the options hold or name. Errors: kPolicy.
absl::StatusOr<PolicyText> PolicyTextOf(const PlanOptions& options);

// The policy with the rules that are appended to it, and the targets and the type of inputs and
// outputs that stand in the place of its own. Errors: kPolicy; kUsage for a target or a type that
// there is not.
absl::StatusOr<Policy> PolicyOf(const PolicyText& text, const PlanOptions& options);

struct EvidenceFiles {
  Evidence evidence;
  std::optional<CalibrationFile> calibration;
};

// Ranges and statistics. Errors: kUsage, for files that cannot be read or are of another model.
// Both arguments outlive the result.
absl::StatusOr<EvidenceFiles> EvidenceOf(const PlanOptions& options, const Model& model,
                                         const Analysis& analysis);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CONVERT_PLAN_INPUTS_H_
