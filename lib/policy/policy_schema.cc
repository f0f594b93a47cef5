#include "lib/policy/policy_schema.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "lib/analysis/hazards.h"
#include "lib/analysis/roles.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/json_schema.h"
#include "lib/policy/setting_row.h"
#include "lib/targets/target.h"

namespace onnxquant {
namespace {

using json_schema::Boolean;
using json_schema::Described;
using json_schema::Enum;
using json_schema::Json;
using json_schema::Object;
using json_schema::OneOrMore;

// Of the settings by their keys; that of weights, which is long, stands apart.
Json SettingsSchema() {
  Json settings;
  for (const SettingRow* row : SettingRows()) {
    Json schema = row == &kWeightsSetting ? Json{{"$ref", "#/$defs/weights"}} : row->schema();
    settings[std::string(row->key)] = Described(std::move(schema), row->about);
  }
  return settings;
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
      {"calibrated",
       Described(Boolean(), "whether a calibration (--calibration) has what meets the weight")},
      {"lattice", Described(Boolean(),
                            "whether the weight was made of codes (QAT, GGUF) that a format "
                            "in blocks holds without loss")},
  });
  match["minProperties"] = 1;
  return match;
}

Json TargetSchema() {
  std::string names;
  for (const TargetRow& row : Targets()) {
    if (!names.empty()) names += '|';
    for (const char letter : row.name) names += letter == '.' ? "\\." : std::string(1, letter);
  }
  return {{"type", "string"}, {"pattern", "^(" + names + ")(@[0-9]+(\\.[0-9]+){1,2})?$"}};
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
               {"optional", Described(Boolean(), "may match nothing")}};
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
              {"target", Described(OneOrMore(TargetSchema()), "where the outputs are to run")},
              {"outputs", Described(std::move(of_outputs), "one file per dtype")},
              {"rules", Described({{"type", "array"}, {"items", {{"$ref", "#/$defs/rule"}}}},
                                  "later rules win, field by field")}},
             {"policy", "name", "outputs"}));
  schema["$defs"] = {{"weights", kWeightsSetting.schema()},
                     {"match", MatchSchema()},
                     {"output", output},
                     {"rule", std::move(one_rule)}};
  return schema.dump(2) + "\n";
}

}  // namespace onnxquant
