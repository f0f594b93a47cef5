#include "lib/convert/plan_inputs.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/convert/calibration.h"

namespace onnxquant {

absl::StatusOr<PolicyText> PolicyTextOf(const PlanOptions& options) {
  if (options.policy_yaml.empty()) return ReadPolicy(options.policy);
  return PolicyText{options.policy_yaml, options.policy.empty() ? "policy" : options.policy};
}

absl::StatusOr<Policy> PolicyOf(const PolicyText& text, const PlanOptions& options) {
  const std::vector<std::string>& rules = options.rules;
  ONNXQUANT_ASSIGN_OR_RETURN(Policy policy, ParsePolicy(text.yaml, text.file));
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    bytes += rules[i].size();
    const std::string origin =
        rules.size() == 1 ? "--set" : absl::StrCat("--set (number ", i + 1, ")");
    if (bytes > static_cast<std::size_t>(limits::kPolicyBytes)) {
      return PolicyError(origin, ": with this rule --set has more than ", limits::kPolicyBytes,
                         " bytes in all; put the rules into a policy file");
    }
    ONNXQUANT_RETURN_IF_ERROR(AppendRule(rules[i], origin, policy));
  }
  if (!options.targets.empty()) policy.targets.clear();
  for (const std::string& text : options.targets) {
    absl::StatusOr<Target> target = ParseTarget(text);
    if (!target.ok()) return UsageError("--target: ", target.status().message());
    policy.targets.push_back({*target, {"--target"}});
  }
  return policy;
}

absl::StatusOr<EvidenceFiles> EvidenceOf(const PlanOptions& options, const Model& model,
                                         const Analysis& analysis) {
  EvidenceFiles files;
  files.evidence.model = &model;
  if (!options.ranges.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(files.evidence.ranges, LoadRanges(options.ranges));
  }
  if (!options.calibration.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(OpenedCalibration calibration,
                               OpenCalibration(options.calibration, model, analysis));
    files.evidence.calibration = std::move(calibration.known);
    files.calibration = std::move(calibration.file);
  }
  return files;
}

}  // namespace onnxquant
