// Reads policies from YAML.
#ifndef ONNXQUANT_LIB_POLICY_POLICY_YAML_H_
#define ONNXQUANT_LIB_POLICY_POLICY_YAML_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/policy/policy.h"

namespace onnxquant {

// Errors are kPolicy and begin with `file:line:column:`; they say what was found, what is allowed,
// and the nearest allowed word. Unknown keys, roles, types, formats, repeated keys, a missing
// `policy: 1`, values of the wrong kind, rules for dtypes that no output has: all errors.
absl::StatusOr<Policy> ParsePolicy(const std::string& yaml, const std::string& file);

// Reads a rule as `--set` takes it, a flow mapping's inside: "match: {role: norm}, compute:
// float32".
absl::StatusOr<Rule> ParseRule(const std::string& text, const std::string& origin);

// The same, and puts it at the end of the policy's rules; refuses a dtype that no output has.
absl::Status AppendRule(const std::string& text, const std::string& origin, Policy& policy);

struct BuiltinPolicy {
  const char* name;
  const char* yaml;
};
// The files of policies/, embedded by the build, sorted by name.
absl::Span<const BuiltinPolicy> BuiltinPolicies();

struct PolicyText {
  std::string yaml;
  std::string file;  // what messages call it
};
// `name_or_path`: a built-in policy's name, or a path to a YAML file (anything that holds a slash
// or ends in .yaml or .yml, or exists as a file). An unknown name lists the built-in ones.
absl::StatusOr<PolicyText> ReadPolicy(const std::string& name_or_path);
absl::StatusOr<Policy> LoadPolicy(const std::string& name_or_path);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_POLICY_YAML_H_
