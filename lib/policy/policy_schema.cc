#include "lib/policy/policy_schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/hazards.h"
#include "lib/analysis/roles.h"
#include "lib/formats/formats.h"
#include "lib/formats/parameters.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/policy.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

Json Enum(Json words) {
  return {{"enum", std::move(words)}};
}

Json Described(Json schema, absl::string_view description) {
  schema["description"] = std::string(description);
  return schema;
}

// An object that has no other keys.
Json Object(Json properties, Json required = Json::array()) {
  Json object = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) object["required"] = std::move(required);
  object["additionalProperties"] = false;
  return object;
}

// One, or a list of them.
Json OneOrMore(Json one) {
  Json list = {{"type", "array"}, {"items", one}, {"minItems", 1}};
  return {{"anyOf", {std::move(one), std::move(list)}}};
}

Json TypeWords() {
  return {"float32", "float16", "bfloat16", TypeWord(kAsInSource)};
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

Json WeightsSchema() {
  Json words = Json::array();
  words.push_back(Enum(TypeWords()));
  Json maps = Json::array();
  maps.push_back(Object({{"format", Enum(TypeWords())}}, {"format"}));
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

Json ResidualSchema() {
  const Json exponent = {
      {"type", "integer"}, {"minimum", 1}, {"maximum", ResidualSetting::kLargestExponent}};
  Json rescale = {{"anyOf", {Json{{"const", "auto"}}, exponent}}};
  const Json limit = {{"type", "number"}, {"exclusiveMinimum", 0}};
  return {{"anyOf",
           {Json{{"const", "float32"}}, Object({{"rescale", std::move(rescale)}}, {"rescale"}),
            Object({{"clip", limit}}, {"clip"})}}};
}

Json RopeCacheSchema() {
  const Json positions = {{"type", "integer"}, {"minimum", 1}};
  return {{"anyOf",
           {Enum({"keep", "computed"}), Object({{"positions", positions}}, {"positions"}),
            Object({{"computed", positions}}, {"computed"})}}};
}

Json MethodSchema() {
  Json words = Json::array();
  for (const methods::MethodRow& row : methods::Methods()) {
    words.push_back(Described({{"const", std::string(row.word)}}, row.about));
  }
  return Described({{"anyOf", std::move(words)}}, "how codes in blocks are chosen");
}

Json SettingsSchema() {
  return {
      {"compute", Described(Enum(TypeWords()), "the node's arithmetic and its float outputs")},
      {"weights", Described({{"$ref", "#/$defs/weights"}}, "how constant operands are stored")},
      {"io", Described(Enum(TypeWords()), "the type of float graph inputs and outputs")},
      {"accuracy_level",
       Described(Enum({0, 1, 2, 3, 4}), "of MatMulNBits: 0 unset, 1 float32, 4 int8 activations")},
      {"constants",
       Described(Object({{"overflow", Enum({"error", "clamp", "infinity"})}}, {"overflow"}),
                 "values beyond the type's largest number")},
      {"keep", Described({{"type", "boolean"}}, "leave the node and its weights as they are")},
      {"residual", Described(ResidualSchema(), "what makes the residual stream fit its type")},
      {"rope_cache",
       Described(RopeCacheSchema(), "what is done with the tables of rotary embeddings")},
      {"method", MethodSchema()},
      {"tie", Described({{"type", "boolean"}},
                        "one set of codes serves readers of several operators; true if not said")},
  };
}

Json MatchSchema() {
  Json roles = Json::array();
  for (const RoleName& role : RoleNames()) roles.push_back(role.name);
  Json hazards = {kAnyHazard, kHazardsOfFloat16, kHazardsOfBFloat16};
  for (const HazardName& hazard : HazardNames()) hazards.push_back(hazard.name);
  const Json text = {{"type", "string"}};
  const Json layer = {{"anyOf",
                       {Json{{"type", "integer"}},
                        Json{{"type", "string"}, {"pattern", "^-?[0-9]+(--?[0-9]+)?$"}}}}};
  const Json positive = {{"type", "number"}, {"exclusiveMinimum", 0}};
  Json elements = Object({{"min", positive}, {"max", positive}});
  elements["minProperties"] = 1;
  Json match = Object({
      {"role", Described(OneOrMore(Enum(std::move(roles))), "what a node is for")},
      {"op", Described(OneOrMore(text), "the operator: MatMul, com.microsoft::MatMulNBits")},
      {"name", Described(OneOrMore(text), "a glob on the node's name")},
      {"regex", Described(OneOrMore(text), "a regular expression found in the node's name")},
      {"weight", Described(OneOrMore(text), "a glob on an initializer's name")},
      {"layer", Described(OneOrMore(layer), "0, -1 (the last), 0-3")},
      {"elements", Described(std::move(elements), "how many elements the weight has")},
      {"hazard", Described(OneOrMore(Enum(std::move(hazards))), "a hazard of float16")},
      {"range", Described(Object({{"peak_over", positive}}, {"peak_over"}),
                          "of measured ranges (--ranges)")},
      {"calibrated", Described({{"type", "boolean"}},
                               "whether a calibration (--calibration) has what meets the weight")},
  });
  match["minProperties"] = 1;
  return match;
}

}  // namespace

std::string PolicySchema() {
  const Json settings = SettingsSchema();
  Json outputs = Json::object();
  const Json output = Object(settings, {"compute", "weights", "io"});
  Json dtypes = Json::array();
  for (const std::string& dtype : KnownDtypes()) {
    outputs[dtype] = {{"$ref", "#/$defs/output"}};
    dtypes.push_back(dtype);
  }
  Json rule = {{"match", {{"$ref", "#/$defs/match"}}},
               {"when", Described(OneOrMore(Enum(std::move(dtypes))), "for these outputs alone")},
               {"optional", Described({{"type", "boolean"}}, "may match nothing")}};
  rule.update(settings);
  Json of_outputs = Object(std::move(outputs));
  of_outputs["minProperties"] = 1;
  Json one_rule = Object(std::move(rule), {"match"});
  one_rule["anyOf"] = Json::array();  // it sets something
  for (const auto& [key, unused] : settings.items()) {
    one_rule["anyOf"].push_back({{"required", Json::array({key})}});
  }
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "A policy of onnxquant"}};
  schema.update(
      Object({{"policy", Described({{"const", 1}}, "the version of this schema")},
              {"name", {{"type", "string"}}},
              {"description", {{"type", "string"}}},
              {"outputs", Described(std::move(of_outputs), "one file per dtype")},
              {"rules", Described({{"type", "array"}, {"items", {{"$ref", "#/$defs/rule"}}}},
                                  "later rules win, field by field")}},
             {"policy", "name", "outputs"}));
  schema["$defs"] = {{"weights", WeightsSchema()},
                     {"match", MatchSchema()},
                     {"output", output},
                     {"rule", std::move(one_rule)}};
  return schema.dump(2) + "\n";
}

}  // namespace onnxquant
