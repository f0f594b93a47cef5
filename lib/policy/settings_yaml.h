// Reads the fields that outputs and rules set.
#ifndef ONNXQUANT_LIB_POLICY_SETTINGS_YAML_H_
#define ONNXQUANT_LIB_POLICY_SETTINGS_YAML_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/policy/policy.h"
#include "lib/policy/yaml_reader.h"

namespace onnxquant {

// The names of the fields, in the order of messages.
std::vector<std::string> SettingKeys();

// The fields of SettingKeys() that the mapping `node` has; its other keys are not looked at. Errors
// as ParsePolicy's.
absl::StatusOr<Settings> ParseSettings(const YamlReader& reader, const YAML::Node& node);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_SETTINGS_YAML_H_
