#include "lib/policy/policy_yaml.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <regex>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/analysis/hazards.h"
#include "lib/analysis/roles.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/yaml_reader.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

constexpr int kSchemaVersion = 1;

Words SettingKeys() {
  return {"compute", "weights", "io", "accuracy_level", "constants", "keep", "residual"};
}

Words With(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class PolicyParser {
 public:
  explicit PolicyParser(const std::string& file, int shift = 0) : reader_(file, shift) {}

  absl::StatusOr<Policy> ParsePolicy(const std::string& yaml) {
    ONNXQUANT_ASSIGN_OR_RETURN(const YAML::Node root, reader_.Parse(yaml));
    ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(
        root, "a policy", Words{"policy", "name", "description", "outputs", "rules"}));
    if (!root["policy"]) {
      return reader_.ErrorAt(root, "the schema's version is missing: say 'policy: 1'");
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const int version, reader_.Int(root["policy"], "policy"));
    if (version != kSchemaVersion) {
      return reader_.ErrorAt(root["policy"], absl::StrCat("found policy version ", version,
                                                          "; this onnxquant reads version 1"));
    }
    Policy policy;
    if (!root["name"]) return reader_.ErrorAt(root, "'name' is missing");
    ONNXQUANT_ASSIGN_OR_RETURN(policy.name, reader_.Text(root["name"], "name"));
    if (root["description"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(policy.description,
                                 reader_.Text(root["description"], "description"));
    }
    if (!root["outputs"]) return reader_.ErrorAt(root, "'outputs' is missing: say what to write");
    ONNXQUANT_RETURN_IF_ERROR(ParseOutputs(root["outputs"], policy));
    if (root["rules"]) ONNXQUANT_RETURN_IF_ERROR(ParseRules(root["rules"], policy));
    return policy;
  }

  // `policy`: whose outputs the rule may speak of; null: not known.
  absl::StatusOr<Rule> ParseOneRule(const std::string& text, const Policy* policy) {
    ONNXQUANT_ASSIGN_OR_RETURN(const YAML::Node node, reader_.Parse("{" + text + "}"));
    ONNXQUANT_ASSIGN_OR_RETURN(Rule rule, ParseRuleNode(node));
    if (policy != nullptr) ONNXQUANT_RETURN_IF_ERROR(CheckWhen(node, rule, *policy));
    rule.mark.line = 0;  // "--set" has no lines
    return rule;
  }

 private:
  absl::Status ParseOutputs(const YAML::Node& outputs, Policy& policy) {
    ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(outputs, "outputs", KnownDtypes()));
    if (outputs.size() == 0) return reader_.ErrorAt(outputs, "'outputs' is empty");
    for (const auto& entry : outputs) {
      OutputSpec output;
      output.dtype = entry.first.Scalar();
      output.mark = reader_.MarkOf(entry.first);
      const std::string what = absl::StrCat("output '", output.dtype, "'");
      ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(entry.second, what, SettingKeys()));
      ONNXQUANT_ASSIGN_OR_RETURN(output.defaults, ParseSettings(entry.second));
      for (const char* key : {"compute", "weights", "io"}) {
        if (!entry.second[key]) {
          return reader_.ErrorAt(entry.second, absl::StrCat(what, " does not say '", key, "'"));
        }
      }
      policy.outputs.push_back(std::move(output));
    }
    return absl::OkStatus();
  }

  absl::Status ParseRules(const YAML::Node& rules, Policy& policy) {
    if (!rules.IsSequence()) return reader_.ErrorAt(rules, "'rules' is a list of rules");
    for (const YAML::Node& node : rules) {
      ONNXQUANT_ASSIGN_OR_RETURN(Rule rule, ParseRuleNode(node));
      ONNXQUANT_RETURN_IF_ERROR(CheckWhen(node, rule, policy));
      policy.rules.push_back(std::move(rule));
    }
    return absl::OkStatus();
  }

  absl::Status CheckWhen(const YAML::Node& node, const Rule& rule, const Policy& policy) {
    Words outputs;
    for (const OutputSpec& output : policy.outputs) outputs.push_back(output.dtype);
    for (const std::string& dtype : rule.when) {
      if (std::find(outputs.begin(), outputs.end(), dtype) != outputs.end()) continue;
      return reader_.ErrorAt(
          node["when"], absl::StrCat("found '", dtype, "', which is no output here; there are ",
                                     absl::StrJoin(outputs, ", "), DidYouMean(dtype, outputs)));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Rule> ParseRuleNode(const YAML::Node& node) {
    ONNXQUANT_RETURN_IF_ERROR(
        reader_.CheckKeys(node, "a rule", With({"match", "when", "optional"}, SettingKeys())));
    Rule rule;
    rule.mark = reader_.MarkOf(node);
    if (!node["match"]) return reader_.ErrorAt(node, "a rule needs 'match'");
    ONNXQUANT_ASSIGN_OR_RETURN(rule.match, ParseMatch(node["match"]));
    if (node["when"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(rule.when, reader_.Texts(node["when"], "when"));
    }
    if (node["optional"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(rule.optional, reader_.Bool(node["optional"], "optional"));
    }
    ONNXQUANT_ASSIGN_OR_RETURN(rule.set, ParseSettings(node));
    int set = 0;
    for (const std::string& key : SettingKeys()) set += node[key] ? 1 : 0;
    if (set == 0) {
      return reader_.ErrorAt(node, absl::StrCat("the rule sets nothing; it can set ",
                                                absl::StrJoin(SettingKeys(), ", ")));
    }
    if (rule.set.keep.value_or(false) && set > 1) {
      return reader_.ErrorAt(node["keep"],
                             "'keep: true' contradicts the other fields of this rule");
    }
    return rule;
  }

  absl::StatusOr<Match> ParseMatch(const YAML::Node& node) {
    ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(
        node, "match", Words{"role", "op", "name", "regex", "weight", "layer", "hazard", "range"},
        Words{"elements", "bytes", "shared"}));
    if (node.size() == 0) return reader_.ErrorAt(node, "'match' is empty: say what to match");
    Match match;
    if (node["role"]) ONNXQUANT_RETURN_IF_ERROR(ParseRoles(node["role"], match));
    if (node["hazard"]) ONNXQUANT_RETURN_IF_ERROR(ParseHazards(node["hazard"], match));
    if (node["op"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(match.ops, reader_.Texts(node["op"], "op"));
    }
    if (node["name"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(match.names, reader_.Texts(node["name"], "name"));
    }
    if (node["weight"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(match.weights, reader_.Texts(node["weight"], "weight"));
    }
    if (node["regex"]) ONNXQUANT_RETURN_IF_ERROR(ParseRegexes(node["regex"], match));
    if (node["range"]) {
      const YAML::Node range = node["range"];
      ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(range, "range", Words{"peak_over"}));
      if (!range["peak_over"]) return reader_.ErrorAt(range, "'range' does not say 'peak_over'");
      ONNXQUANT_ASSIGN_OR_RETURN(match.peak_over, ParsePositive(range["peak_over"], "peak_over"));
    }
    if (node["layer"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(const auto items, reader_.List(node["layer"], "layer"));
      for (const YAML::Node& item : items) {
        ONNXQUANT_ASSIGN_OR_RETURN(const LayerRange range, ParseLayers(item));
        match.layers.push_back(range);
      }
    }
    return match;
  }

  absl::Status ParseRoles(const YAML::Node& node, Match& match) {
    Words known;
    for (const RoleName& row : RoleNames()) known.emplace_back(row.name);
    ONNXQUANT_ASSIGN_OR_RETURN(const auto items, reader_.List(node, "role"));
    for (const YAML::Node& item : items) {
      ONNXQUANT_ASSIGN_OR_RETURN(std::string role, reader_.OneOf(item, "role", known));
      match.roles.push_back(std::move(role));
    }
    return absl::OkStatus();
  }

  absl::Status ParseHazards(const YAML::Node& node, Match& match) {
    Words known = {"any"};
    for (const HazardName& row : HazardNames()) known.emplace_back(row.name);
    ONNXQUANT_ASSIGN_OR_RETURN(const auto items, reader_.List(node, "hazard"));
    for (const YAML::Node& item : items) {
      ONNXQUANT_ASSIGN_OR_RETURN(std::string hazard, reader_.OneOf(item, "hazard", known));
      match.hazards.push_back(std::move(hazard));
    }
    return absl::OkStatus();
  }

  absl::Status ParseRegexes(const YAML::Node& node, Match& match) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.regexes, reader_.Texts(node, "regex"));
    for (const std::string& pattern : match.regexes) {
      try {
        const std::regex compiled(pattern);
      } catch (const std::regex_error& error) {
        return reader_.ErrorAt(
            node, absl::StrCat("'", pattern, "' is no valid regular expression: ", error.what()));
      }
    }
    return absl::OkStatus();
  }

  // "3", "-1", "0-3", "-4--1".
  absl::StatusOr<LayerRange> ParseLayers(const YAML::Node& node) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, reader_.Text(node, "layer"));
    LayerRange range;
    const std::size_t dash = text.find('-', 1);
    const bool ok = dash == std::string::npos
                        ? absl::SimpleAtoi(text, &range.first)
                        : absl::SimpleAtoi(text.substr(0, dash), &range.first) &&
                              absl::SimpleAtoi(text.substr(dash + 1), &range.last);
    if (!ok) {
      return reader_.ErrorAt(node, absl::StrCat("found layer '", text,
                                                "'; a number (negative: from the end) or a range "
                                                "such as 0-3 is expected"));
    }
    if (dash == std::string::npos) range.last = range.first;
    if ((range.first < 0) == (range.last < 0) && range.last < range.first) {
      return reader_.ErrorAt(node, absl::StrCat("the layers ", text, " run backwards"));
    }
    return range;
  }

  absl::StatusOr<ElementType> ParseFloatType(const YAML::Node& node, const std::string& what) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string name,
                               reader_.OneOf(node, what, Words{"float32", "float16", "bfloat16"}));
    return *ElementTypeFromName(name);
  }

  absl::StatusOr<WeightFormat> ParseWeights(const YAML::Node& node) {
    const Words formats = {"float32", "float16", "bfloat16", "int4"};
    const bool map = node.IsMap();
    if (map) {
      ONNXQUANT_RETURN_IF_ERROR(
          reader_.CheckKeys(node, "weights", Words{"format", "block", "symmetric", "source"}));
      if (!node["format"]) return reader_.ErrorAt(node, "'weights' does not say 'format'");
    }
    const YAML::Node format = map ? node["format"] : node;
    for (const char* later : {"int8", "int2", "nf4", "fp4"}) {
      if (format.IsScalar() && format.Scalar() == later) {
        return reader_.ErrorAt(format,
                               absl::StrCat("'", later, "' is not supported by this version"));
      }
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string name, reader_.OneOf(format, "weights", formats));
    WeightFormat result;
    if (name != "int4") {
      if (map && node.size() > 1) {
        return reader_.ErrorAt(node, absl::StrCat(name, " takes no further fields; int4 does"));
      }
      result.type = *ElementTypeFromName(name);
      return result;
    }
    result.kind = WeightFormat::Kind::kInt4;
    if (map && node["block"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(
          const std::string block,
          reader_.OneOf(node["block"], "block", Words{"16", "32", "64", "128", "256"}));
      static_cast<void>(absl::SimpleAtoi(block, &result.block));
    }
    if (map && node["symmetric"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(result.symmetric, reader_.Bool(node["symmetric"], "symmetric"));
    }
    if (map && node["source"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(
          const std::string source,
          reader_.OneOf(node["source"], "source", Words{"float32", "float16"}));
      result.source = *ElementTypeFromName(source);
    }
    return result;
  }

  absl::StatusOr<double> ParsePositive(const YAML::Node& node, const std::string& what) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, reader_.Text(node, what));
    double number = 0;
    if (absl::SimpleAtod(text, &number) && std::isfinite(number) && number > 0) return number;
    return reader_.ErrorAt(
        node, absl::StrCat("found ", what, " '", text, "'; a number above 0 is expected"));
  }

  // "float32", "{rescale: auto}", "{rescale: 5}", "{clip: 60000}".
  absl::StatusOr<ResidualSetting> ParseResidual(const YAML::Node& node) {
    ResidualSetting setting;
    if (!node.IsMap()) {
      ONNXQUANT_RETURN_IF_ERROR(reader_.OneOf(node, "residual", Words{"float32"}).status());
      return setting;
    }
    ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(node, "residual", Words{"rescale", "clip"}));
    if (node.size() != 1) {
      return reader_.ErrorAt(node, "'residual' is float32, or says either 'rescale' or 'clip'");
    }
    if (node["clip"]) {
      setting.kind = ResidualSetting::Kind::kClip;
      ONNXQUANT_ASSIGN_OR_RETURN(setting.limit, ParsePositive(node["clip"], "clip"));
      return setting;
    }
    setting.kind = ResidualSetting::Kind::kRescale;
    const YAML::Node rescale = node["rescale"];
    if (rescale.IsScalar() && rescale.Scalar() == "auto") return setting;
    const bool number = rescale.IsScalar() && absl::SimpleAtoi(rescale.Scalar(), &setting.exponent);
    if (!number || setting.exponent < 1 || setting.exponent > ResidualSetting::kLargestExponent) {
      return reader_.ErrorAt(
          rescale, absl::StrCat("found rescale ", rescale.IsScalar() ? rescale.Scalar() : "",
                                "; 'auto' or k from 1 to ", ResidualSetting::kLargestExponent,
                                " is expected: the stream is multiplied by 2^-k"));
    }
    return setting;
  }

  absl::StatusOr<Settings> ParseSettings(const YAML::Node& node) {
    Settings set;
    if (node["compute"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(set.compute, ParseFloatType(node["compute"], "compute"));
    }
    if (node["weights"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(set.weights, ParseWeights(node["weights"]));
    }
    if (node["io"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(set.io, ParseFloatType(node["io"], "io"));
    }
    if (node["accuracy_level"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(
          const std::string level,
          reader_.OneOf(node["accuracy_level"], "accuracy_level", Words{"0", "1", "2", "3", "4"}));
      set.accuracy_level = level[0] - '0';
    }
    if (node["constants"]) {
      const YAML::Node constants = node["constants"];
      ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(constants, "constants", Words{"overflow"}));
      if (!constants["overflow"]) return reader_.ErrorAt(constants, "'constants' sets nothing");
      ONNXQUANT_ASSIGN_OR_RETURN(
          const std::string overflow,
          reader_.OneOf(constants["overflow"], "overflow", Words{"error", "clamp", "infinity"}));
      set.overflow = overflow == "clamp"      ? Overflow::kClamp
                     : overflow == "infinity" ? Overflow::kInfinity
                                              : Overflow::kError;
    }
    if (node["keep"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(set.keep, reader_.Bool(node["keep"], "keep"));
    }
    if (node["residual"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(set.residual, ParseResidual(node["residual"]));
    }
    return set;
  }

  YamlReader reader_;
};

// yaml-cpp throws on access, too, when a node is not what it was asked to be.
template <typename Parse>
auto WithoutExceptions(const std::string& file, Parse parse) -> decltype(parse()) {
  try {
    return parse();
  } catch (const YAML::Exception& error) {
    return PolicyError(file, ":", error.mark.line + 1, ":", error.mark.column + 1, ": ", error.msg);
  }
}

}  // namespace

absl::StatusOr<Policy> ParsePolicy(const std::string& yaml, const std::string& file) {
  return WithoutExceptions(file, [&] { return PolicyParser(file).ParsePolicy(yaml); });
}

// The rule is read as the inside of a flow mapping: a brace is put before it.
absl::StatusOr<Rule> ParseRule(const std::string& text, const std::string& origin) {
  return WithoutExceptions(origin,
                           [&] { return PolicyParser(origin, 1).ParseOneRule(text, nullptr); });
}

absl::Status AppendRule(const std::string& text, const std::string& origin, Policy& policy) {
  ONNXQUANT_ASSIGN_OR_RETURN(Rule rule, WithoutExceptions(origin, [&] {
                               return PolicyParser(origin, 1).ParseOneRule(text, &policy);
                             }));
  policy.rules.push_back(std::move(rule));
  return absl::OkStatus();
}

absl::StatusOr<Policy> LoadPolicy(const std::string& name_or_path) {
  Words names;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) {
    if (name_or_path == builtin.name) {
      return ParsePolicy(builtin.yaml, absl::StrCat(builtin.name, ".yaml"));
    }
    names.emplace_back(builtin.name);
  }
  const bool path = absl::StrContains(name_or_path, "/") || absl::EndsWith(name_or_path, ".yaml") ||
                    absl::EndsWith(name_or_path, ".yml");
  std::ifstream stream(name_or_path);
  std::stringstream text;
  text << stream.rdbuf();
  if (stream && !stream.bad()) return ParsePolicy(text.str(), name_or_path);
  if (path) return PolicyError(name_or_path, ": the policy file cannot be read");
  return PolicyError("found policy '", name_or_path, "'; built-in are ", absl::StrJoin(names, ", "),
                     ", or give a YAML file", DidYouMean(name_or_path, names));
}

}  // namespace onnxquant
