#include "lib/tune/tuned_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/formats/parameters.h"
#include "lib/policy/glob.h"
#include "lib/policy/policy_yaml.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kPolicy[] =
    "policy: 1\nname: p\noutputs:\n"
    "  q4: {compute: float32, weights: {format: int4, block: 32, symmetric: false}, io: float32}\n"
    "rules:\n"
    "    # about norms\n"
    "    - match: {role: norm}\n"
    "      weights: float32\n";

WeightFormat FormatOf(const char* word, bool symmetric = true) {
  WeightFormat format = *FormatOfWord(word);
  format.symmetric = symmetric;
  return format;
}

TunedWeight Weight(const std::string& name, const std::string& role, int layer, const char* word,
                   bool base = false) {
  TunedWeight weight{name, role, layer, {}, base, 1'000'000, 0.001};
  weight.set.weights = FormatOf(word);
  return weight;
}

// The rules beyond those of the policy.
std::vector<Rule> Added(const std::vector<TunedWeight>& weights,
                        const std::vector<std::string>& more = {}) {
  const auto text = WithRules(kPolicy, "p.yaml", weights, "q4", more, std::vector<std::string>{});
  EXPECT_TRUE(text.ok()) << text.status();
  const auto policy = ParsePolicy(*text, "p.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status() << "\n" << *text;
  return {policy->rules.begin() + 1, policy->rules.end()};
}

TEST(TunedRulesTest, WeightsOfOneRoleAreARuleByLayers) {
  const std::vector<Rule> rules =
      Added({Weight("a", "v_proj", 0, "int8"), Weight("b", "v_proj", 1, "int8"),
             Weight("c", "v_proj", 2, "int4", true), Weight("d", "v_proj", 3, "int8")});
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_THAT(rules[0].match.roles, ElementsAre("v_proj"));
  ASSERT_THAT(rules[0].match.layers, SizeIs(2));
  EXPECT_EQ(rules[0].match.layers[0].first, 0);
  EXPECT_EQ(rules[0].match.layers[0].last, 1);
  EXPECT_EQ(rules[0].match.layers[1].first, 3);
  EXPECT_EQ(rules[0].set.weights, FormatOf("int8"));
  EXPECT_THAT(rules[0].when, ElementsAre("q4"));
}

TEST(TunedRulesTest, AWeightWithoutARoleOrLayerIsNamed) {
  const std::vector<Rule> rules =
      Added({Weight("odd \"name\": [1]*", "", -1, "int8"), Weight("b", "embedding", -1, "int2")});
  ASSERT_THAT(rules, SizeIs(2));
  EXPECT_THAT(rules[0].match.weights, ElementsAre(AsGlob("odd \"name\": [1]*")));
  EXPECT_THAT(rules[1].match.weights, ElementsAre("b"));
  EXPECT_EQ(rules[1].set.weights, FormatOf("int2"));
}

TEST(TunedRulesTest, WhereOneLayerHasTwoOfARoleTheyAreNamed) {
  const std::vector<Rule> rules =
      Added({Weight("a", "q_proj", 0, "int8"), Weight("b", "q_proj", 0, "int4", true)});
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_THAT(rules[0].match.roles, IsEmpty());
  EXPECT_THAT(rules[0].match.weights, ElementsAre("a"));
}

TEST(TunedRulesTest, WhatThePolicySaysAnywayIsNoRule) {
  EXPECT_THAT(Added({Weight("a", "q_proj", 0, "int4", true)}), IsEmpty());
}

TEST(TunedRulesTest, TheMethodIsSaid) {
  TunedWeight weight = Weight("a", "q_proj", 0, "int4");
  weight.set.method = methods::Method::kGptq;
  const std::vector<Rule> rules = Added({weight});
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules[0].set.method, methods::Method::kGptq);
}

TEST(TunedRulesTest, RulesOfTheCommandLineStandBefore) {
  const std::vector<Rule> rules =
      Added({Weight("a", "q_proj", 0, "int8")}, {"match: {role: o_proj}, weights: float32"});
  ASSERT_THAT(rules, SizeIs(2));
  EXPECT_THAT(rules[0].match.roles, ElementsAre("o_proj"));
  EXPECT_THAT(rules[1].match.roles, ElementsAre("q_proj"));
}

TEST(TunedRulesTest, CommentsOfThePolicyStayAndEachRuleHasOne) {
  const std::string text =
      *WithRules(kPolicy, "p.yaml", std::vector<TunedWeight>{Weight("a", "q_proj", 0, "int8")},
                 "q4", std::vector<std::string>{}, std::vector<std::string>{"Chosen so."});
  EXPECT_THAT(text, HasSubstr("# about norms"));
  EXPECT_THAT(text, HasSubstr("    # Chosen so.\n"));
  EXPECT_THAT(text, HasSubstr("    # 1 weight, 1.000 MB, predicted KL 0.001\n"));
}

TEST(TunedRulesTest, APolicyWithoutRulesGetsThem) {
  const std::string yaml =
      "policy: 1\nname: p\noutputs: {q4: {compute: float32, weights: int4, io: float32}}";
  const auto text =
      WithRules(yaml, "p.yaml", std::vector<TunedWeight>{Weight("a", "q_proj", 0, "int8")}, "q4",
                std::vector<std::string>{}, std::vector<std::string>{});
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(ParsePolicy(*text, "p.yaml")->rules, SizeIs(1));
}

TEST(TunedRulesTest, RulesThatAreNoLinesAtTheEndAreRefused) {
  const std::string outputs = "outputs: {q4: {compute: float32, weights: int4, io: float32}}\n";
  for (const std::string& yaml :
       {"policy: 1\nname: p\nrules:\n  - match: {role: norm}\n    weights: float32\n" + outputs,
        "policy: 1\nname: p\n" + outputs + "rules: [{match: {role: norm}, weights: float32}]\n",
        "policy: 1\nname: p\n" + outputs + "rules: []\n",
        std::string("{policy: 1, name: p, outputs: {}}\n")}) {
    const auto text =
        WithRules(yaml, "p.yaml", std::vector<TunedWeight>{Weight("a", "q_proj", 0, "int8")}, "q4",
                  std::vector<std::string>{}, std::vector<std::string>{});
    ASSERT_FALSE(text.ok()) << yaml;
    EXPECT_EQ(KindOf(text.status()), ErrorKind::kPolicy);
    EXPECT_THAT(std::string(text.status().message()), HasSubstr("let 'rules:' be its last key"));
  }
}

TEST(TunedRulesTest, AFormatIsWrittenAsItIsRead) {
  std::size_t written = 0;
  for (const Format* form : Formats()) {
    for (const FormatWord& word : form->words) {
      for (const ParameterRow& row : ParameterRows()) {
        for (const absl::string_view value : row.words) {
          if (!Takes(word.word, row.parameter)) continue;
          WeightFormat format = *FormatOfWord(word.word);
          row.set(format, value);
          const auto rule =
              ParseRule("match: {weight: a}, weights: " + WeightsYaml(format), "test");
          ASSERT_TRUE(rule.ok()) << rule.status();
          EXPECT_EQ(*rule->set.weights, format) << WeightsYaml(format);
          ++written;
        }
      }
    }
  }
  EXPECT_GT(written, 50U);
  WeightFormat half;
  half.type = ElementType::kFloat16;
  EXPECT_EQ(WeightsYaml(half), "float16");
}

TEST(TunedRulesTest, AGlobOfANameMatchesItAlone) {
  Subject subject;
  for (const std::string name : {"a*b", "a?b", "a[1]b", "plain.weight"}) {
    Match match;
    match.weights = {AsGlob(name)};
    subject.weight = name;
    EXPECT_TRUE(Matches(match, subject)) << name;
    subject.weight = "axb";
    EXPECT_FALSE(Matches(match, subject)) << name;
  }
}

}  // namespace
}  // namespace onnxquant
