#include "lib/convert/plan_inputs.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/suggest.h"
#include "lib/base/visible.h"
#include "lib/convert/calibration.h"
#include "lib/policy/float_words.h"
#include "lib/policy/settings.h"

namespace onnxquant {

absl::StatusOr<PolicyText> PolicyTextOf(const PlanOptions& options) {
  if (options.policy_yaml.empty()) return ReadPolicy(options.policy);
  return PolicyText{options.policy_yaml, options.policy.empty() ? "policy" : options.policy};
}

namespace {

// The word of the command line beside those of policies.
constexpr char kKeepIo[] = "keep";

// The type of all float inputs and outputs, whatever outputs and rules of the policy say of them.
absl::Status SetIo(const std::string& word, Policy& policy) {
  std::vector<std::string> words = FloatWords();
  words.back() = kKeepIo;
  if (std::find(words.begin(), words.end(), word) == words.end()) {
    return UsageError("--io: found '", VisibleStart(word), "'; expected ",
                      absl::StrJoin(words, ", "), DidYouMean(word, words));
  }
  const ElementType type = word == kKeepIo ? kAsInSource : TypeOfFloatWord(word);
  for (OutputSpec& output : policy.outputs) {
    output.defaults.io = type;
    output.io_from = "--io";
  }
  for (Rule& rule : policy.rules) rule.set.io.reset();
  const auto said_no_more = [](const Rule& rule) { return FieldsOf(rule.set) == 0; };
  policy.rules.erase(std::remove_if(policy.rules.begin(), policy.rules.end(), said_no_more),
                     policy.rules.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Policy> PolicyOf(const PolicyText& text, const PlanOptions& options) {
  const std::vector<std::string>& rules = options.rules;
  ONNXQUANT_ASSIGN_OR_RETURN(Policy policy, ParsePolicy(text.yaml, text.file));
  if (!options.io.empty()) ONNXQUANT_RETURN_IF_ERROR(SetIo(options.io, policy));
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
