#include "lib/policy/setting_row.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/policy_yaml.h"

namespace onnxquant {
namespace {

// A field set in each of its ways, as YAML has it after the key.
const std::map<std::string, std::vector<std::string>>& Examples() {
  static const auto& examples = *new std::map<std::string, std::vector<std::string>>{
      {"compute", {"float32", "bfloat16"}},
      {"weights", {"float16", "int4 block 32 symmetric"}},
      {"io", {"float32", "float16"}},
      {"accuracy_level", {"0", "4"}},
      {"constants", {"{overflow: error}", "{overflow: clamp}", "{overflow: infinity}"}},
      {"keep", {"true", "false"}},
      {"residual", {"float32", "{rescale: auto}", "{rescale: 5}", "{clip: 60000}"}},
      {"rope_cache", {"keep", "computed", "{positions: 64}", "{computed: 64}"}},
      {"method", {"nearest", "search", "gptq"}},
      {"tie", {"true", "false"}}};
  return examples;
}

// Reports say formats of codes in words of their own.
std::string InYaml(const std::string& words) {
  return words == "int4 block 32 symmetric" ? "int4" : words;
}

Settings SettingsOf(const std::string& field) {
  const auto rule = ParseRule("match: {role: norm}, " + field, "--set");
  EXPECT_TRUE(rule.ok()) << rule.status();
  return rule.ok() ? rule->set : Settings();
}

TEST(SettingRow, EveryFieldIsReadAndSaidInTheSameWords) {
  std::set<std::string> keys;
  for (const SettingRow* row : SettingRows()) {
    const std::string key(row->key);
    EXPECT_TRUE(keys.insert(key).second) << key;
    ASSERT_TRUE(Examples().contains(key)) << key;
    for (const std::string& words : Examples().at(key)) {
      const Settings set = SettingsOf(key + ": " + InYaml(words));
      EXPECT_EQ(row->words(set), words) << key;
      EXPECT_EQ(EffectOf(set), key + ": " + words);
    }
  }
  EXPECT_EQ(keys.size(), Examples().size());
}

TEST(SettingRow, AFieldIsGivenByItsKeyAlone) {
  for (const SettingRow* row : SettingRows()) {
    const std::string key(row->key);
    const Settings set = SettingsOf(key + ": " + InYaml(Examples().at(key)[0]));
    EXPECT_EQ(FieldsOf(set), row->field) << key;
    for (const SettingRow* other : SettingRows()) {
      EXPECT_EQ(other->given(set), other == row) << key << " " << other->key;
    }
  }
}

// What is resolved, as the settings that say so.
Settings AsSettings(const Resolved& resolved) {
  return {.compute = resolved.compute,
          .weights = resolved.weights,
          .io = resolved.io,
          .accuracy_level = resolved.accuracy_level,
          .overflow = resolved.overflow,
          .keep = resolved.keep,
          .residual = resolved.residual,
          .rope_cache = resolved.rope_cache,
          .method = resolved.method,
          .tie = resolved.tie};
}

TEST(SettingRow, TheLastRuleHolds) {
  for (const SettingRow* row : SettingRows()) {
    const std::string key(row->key);
    Policy policy;
    policy.outputs.emplace_back().dtype = "fp16";
    for (const std::string& words : Examples().at(key)) {
      policy.rules.push_back(
          *ParseRule("match: {role: norm}, " + key + ": " + InYaml(words), "--set"));
      Subject subject;
      subject.role = "norm";
      const Resolved resolved = SettingsResolver(policy, policy.outputs[0]).Resolve({&subject, 1});
      EXPECT_EQ(row->words(AsSettings(resolved)), words) << key;
      EXPECT_EQ(resolved.why.back().effect(), key + ": " + words);
      EXPECT_EQ(resolved.why.back().fields(), row->field) << key;
    }
  }
}

TEST(SettingRow, NothingActsOnASubjectThatOffersNothingButKeep) {
  const Subject subject;
  for (const SettingRow* row : SettingRows()) {
    const std::string key(row->key);
    const Settings set = SettingsOf(key + ": " + InYaml(Examples().at(key)[0]));
    EXPECT_EQ(CanAct(set, subject), key == "keep") << key;
  }
}

}  // namespace
}  // namespace onnxquant
