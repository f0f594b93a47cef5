#include "lib/policy/policy_yaml.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/suggest.h"
#include "lib/base/visible.h"
#include "lib/policy/dtypes.h"
#include "lib/policy/match_yaml.h"
#include "lib/policy/settings_yaml.h"
#include "lib/policy/yaml_reader.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

constexpr int kSchemaVersion = 1;

Words With(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

class PolicyParser {
 public:
  PolicyParser(const std::string& file, int shift) : reader_(file, shift) {}

  absl::StatusOr<Policy> ParsePolicy(const std::string& yaml) {
    ONNXQUANT_ASSIGN_OR_RETURN(const YAML::Node root, reader_.Parse(yaml, "a policy"));
    ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(
        root, "a policy", Words{"policy", "name", "description", "target", "outputs", "rules"}));
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
    if (root["target"]) ONNXQUANT_RETURN_IF_ERROR(ParseTargets(root["target"], policy));
    if (!root["outputs"]) return reader_.ErrorAt(root, "'outputs' is missing: say what to write");
    ONNXQUANT_RETURN_IF_ERROR(ParseOutputs(root["outputs"], policy));
    if (root["rules"]) ONNXQUANT_RETURN_IF_ERROR(ParseRules(root["rules"], policy));
    return policy;
  }

  absl::StatusOr<Rule> ParseOneRule(const std::string& text) {
    ONNXQUANT_ASSIGN_OR_RETURN(const YAML::Node node, reader_.Parse("{" + text + "}", "a rule"));
    return ParseSetRule(node);
  }

  absl::Status AppendRule(const std::string& text, Policy& policy) {
    ONNXQUANT_ASSIGN_OR_RETURN(const YAML::Node node, reader_.Parse("{" + text + "}", "a rule"));
    ONNXQUANT_ASSIGN_OR_RETURN(Rule rule, ParseSetRule(node));
    ONNXQUANT_RETURN_IF_ERROR(CheckWhen(node, rule, policy));
    return AddRule(node, std::move(rule), policy);
  }

 private:
  absl::StatusOr<Rule> ParseSetRule(const YAML::Node& node) {
    ONNXQUANT_ASSIGN_OR_RETURN(Rule rule, ParseRuleNode(node));
    rule.mark.line = 0;  // "--set" has no lines
    return rule;
  }

  absl::Status AddRule(const YAML::Node& node, Rule rule, Policy& policy) {
    std::size_t regexes = rule.match.regexes.size();
    for (const Rule& other : policy.rules) regexes += other.match.regexes.size();
    if (static_cast<std::int64_t>(regexes) > limits::kPolicyRegexes) {
      return reader_.ErrorAt(node, absl::StrCat("with this rule the policy has more than ",
                                                limits::kPolicyRegexes, " regular expressions"));
    }
    if (static_cast<std::int64_t>(policy.rules.size()) == limits::kPolicyRules) {
      return reader_.ErrorAt(
          node, absl::StrCat("the policy has more than ", limits::kPolicyRules, " rules"));
    }
    policy.rules.push_back(std::move(rule));
    return absl::OkStatus();
  }

  absl::Status ParseTargets(const YAML::Node& targets, Policy& policy) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<YAML::Node> nodes,
                               reader_.List(targets, "target"));
    for (const YAML::Node& node : nodes) {
      ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, reader_.Text(node, "target"));
      const absl::StatusOr<Target> target = ParseTarget(text);
      if (!target.ok()) return reader_.ErrorAt(node, std::string(target.status().message()));
      policy.targets.push_back({*target, reader_.MarkOf(node)});
    }
    return absl::OkStatus();
  }

  absl::Status ParseOutputs(const YAML::Node& outputs, Policy& policy) {
    ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(outputs, "outputs", KnownDtypes()));
    if (outputs.size() == 0) return reader_.ErrorAt(outputs, "'outputs' is empty");
    for (const auto& entry : outputs) {
      OutputSpec output;
      output.dtype = entry.first.Scalar();
      output.mark = reader_.MarkOf(entry.first);
      const std::string what = absl::StrCat("output '", output.dtype, "'");
      ONNXQUANT_RETURN_IF_ERROR(reader_.CheckKeys(entry.second, what, SettingKeys()));
      ONNXQUANT_ASSIGN_OR_RETURN(output.defaults, ParseSettings(reader_, entry.second));
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
      ONNXQUANT_RETURN_IF_ERROR(AddRule(node, std::move(rule), policy));
    }
    return absl::OkStatus();
  }

  absl::Status CheckWhen(const YAML::Node& node, const Rule& rule, const Policy& policy) {
    Words outputs;
    for (const OutputSpec& output : policy.outputs) outputs.push_back(output.dtype);
    for (const std::string& dtype : rule.when) {
      if (std::find(outputs.begin(), outputs.end(), dtype) != outputs.end()) continue;
      return reader_.ErrorAt(
          node["when"],
          absl::StrCat("found '", VisibleStart(dtype), "', which is no output here; there are ",
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
    ONNXQUANT_ASSIGN_OR_RETURN(rule.match, ParseMatch(reader_, node["match"]));
    if (node["when"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(rule.when, reader_.Texts(node["when"], "when"));
    }
    if (node["optional"]) {
      ONNXQUANT_ASSIGN_OR_RETURN(rule.optional, reader_.Bool(node["optional"], "optional"));
    }
    ONNXQUANT_ASSIGN_OR_RETURN(rule.set, ParseSettings(reader_, node));
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

  YamlReader reader_;
};

// yaml-cpp throws on access, too, when a node is not what it was asked to be.
template <typename Parse>
auto WithoutExceptions(const std::string& file, int shift, Parse parse)
    -> decltype(parse(std::declval<PolicyParser&>())) {
  PolicyParser parser(file, shift);
  try {
    return parse(parser);
  } catch (const YAML::Exception& error) {
    return YamlReader(file, shift).ErrorAt(error.mark, error.msg);
  }
}

}  // namespace

absl::StatusOr<Policy> ParsePolicy(const std::string& yaml, const std::string& file) {
  return WithoutExceptions(file, 0, [&](PolicyParser& parser) { return parser.ParsePolicy(yaml); });
}

// The rule is read as the inside of a flow mapping: a brace is put before it.
absl::StatusOr<Rule> ParseRule(const std::string& text, const std::string& origin) {
  return WithoutExceptions(origin, 1,
                           [&](PolicyParser& parser) { return parser.ParseOneRule(text); });
}

absl::Status AppendRule(const std::string& text, const std::string& origin, Policy& policy) {
  return WithoutExceptions(origin, 1,
                           [&](PolicyParser& parser) { return parser.AppendRule(text, policy); });
}

absl::StatusOr<PolicyText> ReadPolicy(const std::string& name_or_path) {
  Words names;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) {
    if (name_or_path == builtin.name) {
      return PolicyText{builtin.yaml, absl::StrCat(builtin.name, ".yaml")};
    }
    names.emplace_back(builtin.name);
  }
  const bool path = absl::StrContains(name_or_path, "/") || absl::EndsWith(name_or_path, ".yaml") ||
                    absl::EndsWith(name_or_path, ".yml");
  struct stat status = {};
  if (path || stat(name_or_path.c_str(), &status) == 0) {
    const TextRule rule = {.kind = ErrorKind::kPolicy,
                           .what = "the policy file",
                           .largest = limits::kPolicyBytes,
                           .pipes = true};
    ONNXQUANT_ASSIGN_OR_RETURN(std::string text, ReadText(name_or_path, rule));
    return PolicyText{std::move(text), name_or_path};
  }
  return PolicyError("found policy '", name_or_path, "'; built-in are ", absl::StrJoin(names, ", "),
                     ", or give a YAML file", DidYouMean(name_or_path, names));
}

absl::StatusOr<Policy> LoadPolicy(const std::string& name_or_path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const PolicyText policy, ReadPolicy(name_or_path));
  return ParsePolicy(policy.yaml, policy.file);
}

}  // namespace onnxquant
