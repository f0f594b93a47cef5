// Reads what a rule matches.
#ifndef ONNXQUANT_LIB_POLICY_MATCH_YAML_H_
#define ONNXQUANT_LIB_POLICY_MATCH_YAML_H_

#include "absl/status/statusor.h"
#include "lib/policy/policy.h"
#include "lib/policy/yaml_reader.h"

namespace onnxquant {

// The value of `match`: selectors, of which at least one is there. Errors as ParsePolicy's.
absl::StatusOr<Match> ParseMatch(const YamlReader& reader, const YAML::Node& node);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_MATCH_YAML_H_
