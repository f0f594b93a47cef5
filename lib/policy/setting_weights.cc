// `weights`: a type of floats, or codes with their parameters.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/formats/parameters.h"
#include "lib/policy/float_words.h"
#include "lib/policy/json_schema.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

using json_schema::Described;
using json_schema::Enum;
using json_schema::Json;
using json_schema::Object;
using Words = std::vector<std::string>;

// The parameters beside a word for codes, each of which some form of it must take.
absl::Status ParseParameters(const YamlReader& reader, const YAML::Node& node,
                             WeightFormat& format) {
  if (node["block"] && node["per_channel"] && Takes(format.word, Parameter::kBlock) &&
      Takes(format.word, Parameter::kPerChannel)) {
    return reader.ErrorAt(node["per_channel"],
                          "found 'per_channel' beside 'block'; a scale is for a block, or for a "
                          "channel or the whole weight: say one of them");
  }
  for (const ParameterRow& row : ParameterRows()) {
    const std::string key(row.key);
    const YAML::Node value = node[key];
    if (!value) continue;
    if (!Takes(format.word, row.parameter)) {
      return reader.ErrorAt(value, absl::StrCat(format.word, " takes no '", key, "'"));
    }
    std::string word;
    if (row.flag) {
      ONNXQUANT_ASSIGN_OR_RETURN(const bool flag, reader.Bool(value, key));
      word = flag ? "true" : "false";
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(
          word, reader.OneOf(value, key, Words(row.words.begin(), row.words.end())));
    }
    row.set(format, word);
  }
  return absl::OkStatus();
}

absl::StatusOr<WeightFormat> ParseFormat(const YamlReader& reader, const YAML::Node& node) {
  const Words codes = CodeWords();
  Words words = FloatWords();
  words.insert(words.end(), codes.begin(), codes.end());
  const bool map = node.IsMap();
  if (map) {
    Words keys = {"format"};
    for (const ParameterRow& row : ParameterRows()) keys.emplace_back(row.key);
    ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(node, "weights", keys));
    if (!node["format"]) return reader.ErrorAt(node, "'weights' does not say 'format'");
  }
  const YAML::Node format = map ? node["format"] : node;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string name, reader.OneOf(format, "weights", words));
  std::optional<WeightFormat> result = FormatOfWord(name);
  if (result) {
    if (map) ONNXQUANT_RETURN_IF_ERROR(ParseParameters(reader, node, *result));
    return *result;
  }
  if (map && node.size() > 1) {
    return reader.ErrorAt(
        node, absl::StrCat(name, " takes no further fields; ", absl::StrJoin(codes, ", "),
                           codes.size() == 1 ? " does" : " do"));
  }
  return WeightFormat{.type = TypeOfFloatWord(name)};
}

absl::Status Parse(const YamlReader& reader, const YAML::Node& node, Settings& set) {
  ONNXQUANT_ASSIGN_OR_RETURN(set.weights, ParseFormat(reader, node));
  return absl::OkStatus();
}

std::string Say(const Settings& set) {
  return ToString(*set.weights);
}

bool Acts(const Settings& set, const Subject& subject) {
  if (set.weights->IsFloat()) return subject.stores;
  return subject.reading && MayFit(*set.weights, *subject.reading);
}

int Opset(const Settings& set) {
  return std::max(LeastOpset(set.weights->type), LeastOpset(*set.weights));
}

// In YAML a number is one with or without quotes.
Json ValuesOf(const ParameterRow& row) {
  Json values = Json::array();
  for (const absl::string_view word : row.words) {
    if (row.flag) {
      values.push_back(word == "true");
    } else if (row.parameter == Parameter::kBlock) {
      values.push_back(std::stoi(std::string(word)));
    } else {
      values.push_back(std::string(word));
    }
  }
  return values;
}

std::string AboutOf(const std::string& word) {
  std::vector<std::string> forms;
  for (const Format* form : Formats()) {
    const bool says = std::any_of(form->words.begin(), form->words.end(),
                                  [&word](const FormatWord& own) { return own.word == word; });
    if (says) forms.push_back(std::string(form->about) + " (" + std::string(form->runs) + ")");
  }
  return absl::StrJoin(forms, "; ");
}

Json Schema() {
  Json words = Json::array();
  words.push_back(Enum(FloatWords()));
  Json maps = Json::array();
  maps.push_back(Object({{"format", Enum(FloatWords())}}, {"format"}));
  for (const std::string& word : CodeWords()) {
    words.push_back(Described({{"const", word}}, AboutOf(word)));
    Json properties = {{"format", Described({{"const", word}}, AboutOf(word))}};
    for (const ParameterRow& row : ParameterRows()) {
      if (!Takes(word, row.parameter)) continue;
      properties[std::string(row.key)] = Described(Enum(ValuesOf(row)), row.about);
    }
    maps.push_back(Object(std::move(properties), {"format"}));
  }
  Json all = std::move(words);
  for (Json& map : maps) all.push_back(std::move(map));
  return {{"anyOf", std::move(all)}};
}

}  // namespace

const SettingRow kWeightsSetting = {.key = "weights",
                                    .about = "how constant operands are stored",
                                    .field = kWeightsField,
                                    .given = IsGiven<&Settings::weights>,
                                    .words = Say,
                                    .apply = Take<&Settings::weights, &Resolved::weights>,
                                    .acts = Acts,
                                    .opset = Opset,
                                    .parse = Parse,
                                    .schema = Schema};

}  // namespace onnxquant
