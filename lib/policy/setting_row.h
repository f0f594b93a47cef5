// The fields that outputs and rules of a policy set, as one table: a field is a row, its place in
// Settings and Resolved, and what the planner does with it.
#ifndef ONNXQUANT_LIB_POLICY_SETTING_ROW_H_
#define ONNXQUANT_LIB_POLICY_SETTING_ROW_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/policy/policy.h"
#include "lib/policy/settings.h"
#include "lib/policy/yaml_reader.h"

namespace onnxquant {

struct SettingRow {
  absl::string_view key;    // in YAML
  absl::string_view about;  // for editors
  FieldSet field = 0;
  bool (*given)(const Settings& set) = nullptr;
  // The others are asked only for fields that are given: what YAML says after the key, …
  std::string (*words)(const Settings& set) = nullptr;
  // … what holds from then on, …
  void (*apply)(const Settings& set, Resolved& resolved) = nullptr;
  // … whether it can do something about the subject, …
  bool (*acts)(const Settings& set, const Subject& subject) = nullptr;
  // … and the opset of ONNX's own domain that it needs; null where every one does.
  int (*opset)(const Settings& set) = nullptr;
  // Errors: kPolicy, with the place.
  absl::Status (*parse)(const YamlReader& reader, const YAML::Node& node, Settings& set) = nullptr;
  nlohmann::ordered_json (*schema)() = nullptr;  // of JSON Schema, without `about`
};

// In the order of messages.
absl::Span<const SettingRow* const> SettingRows();

extern const SettingRow kComputeSetting;
extern const SettingRow kWeightsSetting;
extern const SettingRow kIoSetting;
extern const SettingRow kAccuracyLevelSetting;
extern const SettingRow kConstantsSetting;
extern const SettingRow kKeepSetting;
extern const SettingRow kResidualSetting;
extern const SettingRow kRopeCacheSetting;
extern const SettingRow kMethodSetting;
extern const SettingRow kTieSetting;

// What most rows are made of.
template <auto Field>
bool IsGiven(const Settings& set) {
  return (set.*Field).has_value();
}

template <auto Field, auto Result>
void Take(const Settings& set, Resolved& resolved) {
  resolved.*Result = *(set.*Field);
}

template <auto Field>
std::string TrueOrFalse(const Settings& set) {
  return *(set.*Field) ? "true" : "false";
}

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_SETTING_ROW_H_
