#include "lib/policy/policy_yaml.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kStart[] = "policy: 1\nname: p\n";
constexpr char kOutputs[] =
    "policy: 1\nname: p\noutputs:\n  q4: {compute: float32, weights: int4, io: float32}\n";

std::string ErrorOf(const std::string& yaml) {
  const auto policy = ParsePolicy(yaml, "p.yaml");
  if (policy.ok()) return "accepted";
  EXPECT_EQ(KindOf(policy.status()), ErrorKind::kPolicy);
  return std::string(policy.status().message());
}

std::string RuleError(const std::string& rule) {
  return ErrorOf(std::string(kOutputs) + "rules:\n  - {" + rule + "}\n");
}

Rule OnlyRule(const std::string& rule) {
  const auto policy = ParsePolicy(std::string(kOutputs) + "rules:\n  - {" + rule + "}\n", "p.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return policy->rules.at(0);
}

TEST(PolicyYaml, ReadsEveryField) {
  const Rule rule = OnlyRule(
      "match: {role: [norm, residual], op: MatMul, name: '*x', regex: '^a', weight: w, layer: [0, "
      "2-4, -1]}, when: q4, compute: float16, weights: {format: int4, block: 64, symmetric: false, "
      "source: float16}, io: float16, accuracy_level: 4, constants: {overflow: infinity}, "
      "optional: "
      "true");
  EXPECT_THAT(rule.match.roles, ElementsAre("norm", "residual"));
  EXPECT_THAT(rule.match.ops, ElementsAre("MatMul"));
  ASSERT_EQ(rule.match.layers.size(), 3U);
  EXPECT_EQ(rule.match.layers[1].first, 2);
  EXPECT_EQ(rule.match.layers[1].last, 4);
  EXPECT_EQ(rule.match.layers[2].first, -1);
  EXPECT_EQ(rule.set.compute, ElementType::kFloat16);
  EXPECT_EQ(rule.set.weights->block, 64);
  EXPECT_FALSE(rule.set.weights->symmetric);
  EXPECT_EQ(rule.set.weights->source, ElementType::kFloat16);
  EXPECT_EQ(rule.set.accuracy_level, 4);
  EXPECT_EQ(rule.set.overflow, Overflow::kInfinity);
  EXPECT_TRUE(rule.optional);
  EXPECT_EQ(rule.mark.ToString(), "p.yaml:6:5");
}

TEST(PolicyYaml, ReadsOneTargetOrSeveral) {
  const std::string rest = std::string(kOutputs).substr(std::string(kStart).size());
  const auto one = ParsePolicy(std::string(kStart) + "target: webgpu@1.27\n" + rest, "p.yaml");
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->targets.size(), 1U);
  EXPECT_EQ(one->targets[0].target.ToString(), "webgpu@1.27");
  EXPECT_EQ(one->targets[0].mark.ToString(), "p.yaml:3:9");
  const auto two = ParsePolicy(std::string(kStart) + "target: [cpu, wasm]\n" + rest, "p.yaml");
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(two->targets.size(), 2U);
}

TEST(PolicyYaml, PointsAtTargetsThatThereAreNot) {
  const std::string rest = std::string(kOutputs).substr(std::string(kStart).size());
  const std::string error = ErrorOf(std::string(kStart) + "target: [cpu, webgup]\n" + rest);
  EXPECT_THAT(error, HasSubstr("p.yaml:3:15: found target 'webgup'"));
  EXPECT_THAT(error, HasSubstr("did you mean 'webgpu'?"));
  EXPECT_THAT(ErrorOf(std::string(kStart) + "target: cpu@x\n" + rest),
              HasSubstr("p.yaml:3:9: target cpu: found version 'x'"));
  EXPECT_THAT(ErrorOf(std::string(kStart) + "target: []\n" + rest), HasSubstr("p.yaml:3:9"));
}

TEST(PolicyYaml, PointsAtTypingErrorsAndGuessesWhatWasMeant) {
  const std::pair<std::string, const char*> cases[] = {
      {std::string(kOutputs) + "ruls: []\n",
       "p.yaml:5:1: found 'ruls' in a policy; allowed are policy, name, description, target, "
       "outputs, "
       "rules; did you mean 'rules'?"},
      {std::string(kOutputs) + "rules:\n  - match: {rol: norm}\n    keep: true\n",
       "p.yaml:6:13: found 'rol' in match; allowed are role, op, name, regex, weight, layer, "
       "elements, hazard, range, calibrated, lattice; did you mean 'role'?"},
      {std::string(kOutputs) + "rules:\n  - match: {role: nrom}\n    keep: true\n",
       "p.yaml:6:19: found role 'nrom'; allowed are embedding, "},
      {std::string(kStart) + "outputs:\n  q4: {compute: flot32, weights: int4, io: float32}\n",
       "p.yaml:4:17: found compute 'flot32'; allowed are float32, float16, bfloat16, source; did "
       "you mean "
       "'float32'?"},
      {std::string(kStart) + "outputs:\n  q4: {compute: float32, weights: int44, io: float32}\n",
       "p.yaml:4:35: found weights 'int44'; allowed are float32, float16, bfloat16, source, int2, "
       "int4, int8, "},
      {std::string(kStart) + "outputs:\n  q5: {compute: float32, weights: int4, io: float32}\n",
       "p.yaml:4:3: found 'q5' in outputs; allowed are fp32, "},
  };
  for (const auto& [yaml, expected] : cases) EXPECT_THAT(ErrorOf(yaml), HasSubstr(expected));
  EXPECT_THAT(ErrorOf(std::string(kStart) +
                      "outputs:\n  q4: {compute: float32, weights: int44, io: float32}\n"),
              HasSubstr("did you mean 'int4'?"));
  EXPECT_THAT(RuleError("match: {role: nrom}, keep: true"), HasSubstr("did you mean 'norm'?"));
}

TEST(PolicyYaml, RefusesWhatIsMissing) {
  EXPECT_THAT(ErrorOf("name: p\n"), HasSubstr("p.yaml:1:1: the schema's version is missing"));
  EXPECT_THAT(ErrorOf("policy: 2\n"), HasSubstr("p.yaml:1:9: found policy version 2"));
  EXPECT_THAT(ErrorOf("policy: 1\n"), HasSubstr("'name' is missing"));
  EXPECT_THAT(ErrorOf(kStart), HasSubstr("'outputs' is missing"));
  EXPECT_THAT(ErrorOf(std::string(kStart) + "outputs: {}\n"), HasSubstr("'outputs' is empty"));
  EXPECT_THAT(ErrorOf(std::string(kStart) + "outputs: {q4: {compute: float32, io: float32}}\n"),
              HasSubstr("output 'q4' does not say 'weights'"));
  EXPECT_THAT(RuleError("keep: true"), HasSubstr("p.yaml:6:5: a rule needs 'match'"));
  EXPECT_THAT(RuleError("match: {role: norm}"), HasSubstr("the rule sets nothing"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("p.yaml: is empty"));
}

TEST(PolicyYaml, RefusesContradictions) {
  EXPECT_THAT(RuleError("match: {role: norm}, keep: true, compute: float32"),
              HasSubstr("'keep: true' contradicts the other fields"));
  EXPECT_THAT(RuleError("match: {role: norm}, optional: maybe, keep: true"),
              HasSubstr("found 'maybe'; optional is true or false"));
  EXPECT_THAT(RuleError("match: {role: norm}, keep: true, keep: true"),
              HasSubstr("'keep' stands twice in a rule"));
  EXPECT_THAT(RuleError("match: {role: norm}, when: q4f16, keep: true"),
              HasSubstr("found 'q4f16', which is no output here; there are q4"));
}

TEST(PolicyYaml, SurvivesHostileText) {
  const std::string cases[] = {
      std::string(100000, '['),
      std::string(100000, '{'),
      "a: &a [*a]",
      "policy: [1, 2",
      "policy: 1\n---\npolicy: 1\n",
      "policy: 1\nname: {a: b}\n",
      "? [a]\n: b\n",
      "- 1\n- 2\n",
      "just text",
      "policy: 1\nname: p\noutputs: [q4]\n",
      "policy: 1\nname: p\noutputs:\n  q4: 3\n",
      std::string(kOutputs) + "rules: 3\n",
      std::string(kOutputs) + "rules:\n  - 3\n",
      std::string("\0\x01\xff", 3),
      std::string(2 << 20, ' '),
  };
  for (const std::string& yaml : cases) EXPECT_NE(ErrorOf(yaml), "accepted") << yaml.substr(0, 40);
}

TEST(PolicyYaml, NamesThePlaceOfHostileText) {
  EXPECT_THAT(ErrorOf(std::string(100000, '[')),
              HasSubstr("p.yaml:1:9: is nested deeper than a policy (16 levels)"));
  EXPECT_THAT(ErrorOf(","), HasSubstr("p.yaml:1:1: found ','"));
  EXPECT_THAT(ErrorOf(std::string(kOutputs) + "--- a\n"),
              HasSubstr("p.yaml:5:1: a second document"));
  EXPECT_THAT(ErrorOf(std::string(kOutputs) + "name: x"),
              HasSubstr("p.yaml:5:1: 'name' stands twice"));
  EXPECT_THAT(ErrorOf("policy: 1\n<<: {name: p}\n"), HasSubstr("p.yaml:2:1: found '<<'"));
  const std::string word(1 << 19, 'x');
  EXPECT_LT(RuleError("match: {role: " + word + "}, keep: true").size(), 600U);
  EXPECT_LT(RuleError("match: {" + word + ": 1}, keep: true").size(), 600U);
  EXPECT_LT(RuleError("match: {layer: " + word + "}, keep: true").size(), 600U);
}

TEST(PolicyYaml, BoundsRulesAndRegularExpressions) {
  std::string rules = std::string(kOutputs) + "rules:\n";
  for (std::int64_t i = 0; i < limits::kPolicyRules; ++i)
    rules += "- {match: {op: A}, io: float16}\n";
  EXPECT_EQ(ErrorOf(rules), "accepted");
  EXPECT_THAT(ErrorOf(rules + "- {match: {op: A}, io: float16}\n"),
              HasSubstr("more than 16384 rules"));
  std::string regexes = "match: {regex: [";
  for (std::int64_t i = 0; i < limits::kPolicyRegexes; ++i) regexes += "a, ";
  EXPECT_EQ(RuleError(regexes + "]}, io: float16"), "accepted");
  EXPECT_THAT(RuleError(regexes + "a]}, io: float16"), HasSubstr("found 1025 regular expressions"));
  EXPECT_THAT(RuleError(regexes + "]}, io: float16}\n  - {match: {regex: a}, io: float16"),
              HasSubstr("p.yaml:7:5: with this rule the policy has more than 1024 regular"));
}

TEST(PolicyYaml, ReadsARuleFromTheCommandLine) {
  const auto rule = ParseRule("match: {role: norm}, compute: float32", "--set");
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->mark.ToString(), "--set");
  EXPECT_THAT(
      std::string(ParseRule("match: {role: norm}, comput: float32", "--set").status().message()),
      HasSubstr("did you mean 'compute'?"));
}

TEST(PolicyYaml, ARuleFromTheCommandLineEndsWhereItsBraceDoes) {
  EXPECT_THAT(
      std::string(ParseRule("match: {op: Relu}}, compute: float32", "--set").status().message()),
      HasSubstr("--set:1:19: "));
  EXPECT_FALSE(ParseRule("match: {op: Relu}, keep: true}\n---\n{a: 1", "--set").ok());
}

TEST(PolicyYaml, EveryBuiltinPolicyIsValidAndNamedAfterItsFile) {
  std::vector<std::string> names;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) {
    const auto policy = ParsePolicy(builtin.yaml, builtin.name);
    ASSERT_TRUE(policy.ok()) << policy.status();
    EXPECT_EQ(policy->name, builtin.name);
    EXPECT_NE(policy->description, "");
    names.push_back(policy->name);
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_THAT(names, ElementsAre("bf16", "bnb4", "build-gemma", "fp16", "gemma-q4", "gemma-rescale",
                                 "gemma-safe", "gemma-small", "gemma-web", "int8", "llm-web",
                                 "lossless", "onnx-community", "q2", "q2f16", "q4", "q4f16", "q8",
                                 "quantize-dynamic", "repair", "transformersjs", "uint8"));
}

TEST(PolicyYaml, ListsThePoliciesWhenANameIsUnknown) {
  EXPECT_THAT(std::string(LoadPolicy("gema-safe").status().message()),
              HasSubstr("did you mean 'gemma-safe'?"));
  EXPECT_THAT(std::string(LoadPolicy("nowhere/p.yaml").status().message()),
              HasSubstr("nowhere/p.yaml: the policy file cannot be read: No such file"));
}

TEST(PolicyYaml, ARuleThatIsAppendedSpeaksOfOutputsThatThereAre) {
  auto policy = LoadPolicy("gemma-safe");
  ASSERT_TRUE(policy.ok());
  const std::size_t rules = policy->rules.size();
  const std::string rule = "match: {role: norm}, compute: float32, when: ";
  EXPECT_THAT(std::string(AppendRule(rule + "q4f61", "--set", *policy).message()),
              HasSubstr("--set:1:46: found 'q4f61', which is no output here; there are fp16, q4, "
                        "q4f16; did you mean 'q4f16'?"));
  EXPECT_EQ(policy->rules.size(), rules);
  EXPECT_TRUE(AppendRule(rule + "q4f16", "--set", *policy).ok());
  EXPECT_EQ(policy->rules.size(), rules + 1);
}

}  // namespace
}  // namespace onnxquant
