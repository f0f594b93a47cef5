// What is said of codes: `accuracy_level` of the products that read them, `method` by which they
// are chosen, `tie` of readers that share them.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/policy/json_schema.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

absl::Status ParseLevel(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string level,
                             reader.OneOf(node, "accuracy_level", Words{"0", "1", "2", "3", "4"}));
  set.accuracy_level = level[0] - '0';
  return absl::OkStatus();
}

std::string SayLevel(const Settings& set) {
  return absl::StrCat(*set.accuracy_level);
}

bool TakesLevel(const Settings& /*set*/, const Subject& subject) {
  return subject.levels || (subject.reading && MayTakeAccuracyLevel(*subject.reading));
}

nlohmann::ordered_json LevelSchema() {
  return json_schema::Enum({0, 1, 2, 3, 4});
}

absl::Status ParseMethod(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  Words words;
  for (const methods::MethodRow& row : methods::Methods()) words.emplace_back(row.word);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string word, reader.OneOf(node, "method", words));
  const auto row = std::find_if(methods::Methods().begin(), methods::Methods().end(),
                                [&word](const auto& one) { return one.word == word; });
  set.method = row->method;
  return absl::OkStatus();
}

std::string SayMethod(const Settings& set) {
  return std::string(methods::RowOf(*set.method).word);
}

bool TakesMethod(const Settings& /*set*/, const Subject& subject) {
  return subject.reading && MayTakeMethod(*subject.reading);
}

nlohmann::ordered_json MethodSchema() {
  json_schema::Json words = json_schema::Json::array();
  for (const methods::MethodRow& row : methods::Methods()) {
    words.push_back(json_schema::Described({{"const", std::string(row.word)}}, row.about));
  }
  return {{"anyOf", std::move(words)}};
}

absl::Status ParseTie(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.tie, reader.Bool(node, "tie"));
  return absl::OkStatus();
}

bool Ties(const Settings& /*set*/, const Subject& subject) {
  return subject.shared && subject.reading && MayTie(*subject.reading);
}

}  // namespace

const SettingRow kAccuracyLevelSetting = {
    .key = "accuracy_level",
    .about = "of MatMulNBits: 0 unset, 1 float32, 4 int8 activations",
    .field = kAccuracyLevelField,
    .given = IsGiven<&Settings::accuracy_level>,
    .words = SayLevel,
    .apply = Take<&Settings::accuracy_level, &Resolved::accuracy_level>,
    .acts = TakesLevel,
    .parse = ParseLevel,
    .schema = LevelSchema};

const SettingRow kMethodSetting = {.key = "method",
                                   .about = "how codes in blocks are chosen",
                                   .field = kMethodField,
                                   .given = IsGiven<&Settings::method>,
                                   .words = SayMethod,
                                   .apply = Take<&Settings::method, &Resolved::method>,
                                   .acts = TakesMethod,
                                   .parse = ParseMethod,
                                   .schema = MethodSchema};

const SettingRow kTieSetting = {
    .key = "tie",
    .about = "one set of codes serves readers of several operators; true if not said",
    .field = kTieField,
    .given = IsGiven<&Settings::tie>,
    .words = TrueOrFalse<&Settings::tie>,
    .apply = Take<&Settings::tie, &Resolved::tie>,
    .acts = Ties,
    .parse = ParseTie,
    .schema = json_schema::Boolean};

}  // namespace onnxquant
