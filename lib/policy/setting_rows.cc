// The table, and the rows that are too small for a file of their own: `constants` and `keep`.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/policy/json_schema.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

struct OverflowWord {
  const char* word;
  Overflow overflow;
};
constexpr OverflowWord kOverflowWords[] = {
    {"error", Overflow::kError}, {"clamp", Overflow::kClamp}, {"infinity", Overflow::kInfinity}};

Words OverflowWords() {
  Words words;
  for (const OverflowWord& row : kOverflowWords) words.emplace_back(row.word);
  return words;
}

absl::Status ParseConstants(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(node, "constants", Words{"overflow"}));
  if (!node["overflow"]) return reader.ErrorAt(node, "'constants' sets nothing");
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string word,
                             reader.OneOf(node["overflow"], "overflow", OverflowWords()));
  for (const OverflowWord& row : kOverflowWords) {
    if (word == row.word) set.overflow = row.overflow;
  }
  return absl::OkStatus();
}

std::string SayConstants(const Settings& set) {
  for (const OverflowWord& row : kOverflowWords) {
    if (row.overflow == *set.overflow) return absl::StrCat("{overflow: ", row.word, "}");
  }
  return "";
}

bool Computes(const Settings& /*set*/, const Subject& subject) {
  return subject.computes;
}

nlohmann::ordered_json ConstantsSchema() {
  return json_schema::Object({{"overflow", json_schema::Enum(OverflowWords())}}, {"overflow"});
}

absl::Status ParseKeep(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.keep, reader.Bool(node, "keep"));
  return absl::OkStatus();
}

bool ActsOnAll(const Settings& /*set*/, const Subject& /*subject*/) {
  return true;
}

constexpr const SettingRow* kTable[] = {
    &kComputeSetting,   &kWeightsSetting, &kIoSetting,       &kAccuracyLevelSetting,
    &kConstantsSetting, &kKeepSetting,    &kResidualSetting, &kRopeCacheSetting,
    &kMethodSetting,    &kTieSetting};

}  // namespace

const SettingRow kConstantsSetting = {.key = "constants",
                                      .about = "values beyond the type's largest number",
                                      .field = kOverflowField,
                                      .given = IsGiven<&Settings::overflow>,
                                      .words = SayConstants,
                                      .apply = Take<&Settings::overflow, &Resolved::overflow>,
                                      .acts = Computes,
                                      .parse = ParseConstants,
                                      .schema = ConstantsSchema};

const SettingRow kKeepSetting = {.key = "keep",
                                 .about = "leave the node and its weights as they are",
                                 .field = kKeepField,
                                 .given = IsGiven<&Settings::keep>,
                                 .words = TrueOrFalse<&Settings::keep>,
                                 .apply = Take<&Settings::keep, &Resolved::keep>,
                                 .acts = ActsOnAll,
                                 .parse = ParseKeep,
                                 .schema = json_schema::Boolean};

absl::Span<const SettingRow* const> SettingRows() {
  return kTable;
}

}  // namespace onnxquant
