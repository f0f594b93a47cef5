#include "lib/policy/settings_yaml.h"

#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {

std::vector<std::string> SettingKeys() {
  std::vector<std::string> keys;
  for (const SettingRow* row : SettingRows()) keys.emplace_back(row->key);
  return keys;
}

absl::StatusOr<Settings> ParseSettings(const YamlReader& reader, const YAML::Node& node) {
  Settings set;
  for (const SettingRow* row : SettingRows()) {
    const YAML::Node value = node[std::string(row->key)];
    if (value) ONNXQUANT_RETURN_IF_ERROR(row->parse(reader, value, set));
  }
  return set;
}

}  // namespace onnxquant
