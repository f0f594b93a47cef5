#include "lib/policy/match_yaml.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/policy/policy_yaml.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Match MatchOf(const std::string& match) {
  const auto rule = ParseRule("match: {" + match + "}, keep: true", "--set");
  EXPECT_TRUE(rule.ok()) << rule.status();
  return rule.ok() ? rule->match : Match();
}

std::string ErrorOf(const std::string& match) {
  const auto rule = ParseRule("match: {" + match + "}, keep: true", "--set");
  return rule.ok() ? "accepted" : std::string(rule.status().message());
}

TEST(MatchYaml, ReadsListsAndSingleWords) {
  const Match match = MatchOf("role: norm, op: [MatMul, Gemm], name: '*x', regex: '^a', weight: w");
  EXPECT_THAT(match.roles, ElementsAre("norm"));
  EXPECT_THAT(match.ops, ElementsAre("MatMul", "Gemm"));
  EXPECT_THAT(match.names, ElementsAre("*x"));
  EXPECT_EQ(match.regexes.at(0).text(), "^a");
  EXPECT_THAT(match.weights, ElementsAre("w"));
}

TEST(MatchYaml, ReadsLayersFromBothEnds) {
  const Match match = MatchOf("layer: [3, -1, 0-3, -4--1, 2--1]");
  ASSERT_EQ(match.layers.size(), 5U);
  const std::pair<int, int> expected[] = {{3, 3}, {-1, -1}, {0, 3}, {-4, -1}, {2, -1}};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(match.layers[i].first, expected[i].first) << i;
    EXPECT_EQ(match.layers[i].last, expected[i].second) << i;
  }
}

TEST(MatchYaml, RefusesLayersThatAreNoneOrRunBackwards) {
  for (const char* backwards : {"3-1", "-1--4"}) {
    EXPECT_THAT(ErrorOf(std::string("layer: ") + backwards), HasSubstr("run backwards"));
  }
  for (const char* none : {"x", "1-", "1-x", "1.5", "99999999999"}) {
    EXPECT_THAT(ErrorOf(std::string("layer: ") + none), HasSubstr("a number (negative: from"))
        << none;
  }
}

TEST(MatchYaml, ReadsHazardsAndGuessesWhichWasMeant) {
  EXPECT_THAT(MatchOf("hazard: [near_zero, any]").hazards, ElementsAre("near_zero", "any"));
  EXPECT_THAT(ErrorOf("hazard: decomposed_nrom"),
              HasSubstr("found hazard 'decomposed_nrom'; allowed are any, float16, bfloat16, "));
  EXPECT_THAT(ErrorOf("hazard: decomposed_nrom"), HasSubstr("did you mean 'decomposed_norm'?"));
}

TEST(MatchYaml, ReadsTheRangeThatAPeakMustPass) {
  EXPECT_EQ(MatchOf("range: {peak_over: 1.5e4}").peak_over, 15000);
  EXPECT_THAT(ErrorOf("range: {peak: 3}"), HasSubstr("peak_over"));
  EXPECT_THAT(ErrorOf("range: {}"), HasSubstr("'range' does not say 'peak_over'"));
  EXPECT_THAT(ErrorOf("range: {peak_over: x}"), HasSubstr("a number above 0 is expected"));
}

TEST(MatchYaml, ReadsWhetherAWeightIsCalibrated) {
  EXPECT_EQ(MatchOf("calibrated: true").calibrated, true);
  EXPECT_EQ(MatchOf("calibrated: false").calibrated, false);
  EXPECT_THAT(ErrorOf("calibrated: maybe"), HasSubstr("calibrated"));
}

TEST(MatchYaml, ReadsWhetherAWeightWasMadeOfCodes) {
  EXPECT_EQ(MatchOf("lattice: true").lattice, true);
  EXPECT_EQ(MatchOf("lattice: false").lattice, false);
  EXPECT_THAT(ErrorOf("lattice: Q4_0"), HasSubstr("lattice"));
}

TEST(MatchYaml, ReadsHowManyElementsAWeightMustHave) {
  EXPECT_EQ(MatchOf("elements: {min: 100}").least_elements, 100);
  EXPECT_EQ(MatchOf("elements: {min: 100}").most_elements, std::nullopt);
  EXPECT_EQ(MatchOf("elements: {min: 1, max: 1e6}").most_elements, 1e6);
  EXPECT_THAT(ErrorOf("elements: {}"), HasSubstr("says neither 'min' nor 'max'"));
  EXPECT_THAT(ErrorOf("elements: {most: 3}"), HasSubstr("min, max"));
  EXPECT_THAT(ErrorOf("elements: {min: x}"), HasSubstr("a number above 0 is expected"));
  EXPECT_THAT(ErrorOf("elements: {min: 3, max: 2}"), HasSubstr("at least 'min' and at most 'max'"));
}

TEST(MatchYaml, RefusesWhatMatchesNothingAtAll) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("'match' is empty"));
  EXPECT_THAT(ErrorOf("role: []"), HasSubstr("found an empty list"));
  EXPECT_THAT(ErrorOf("regex: [a, '(']"),
              HasSubstr("--set:1:20: '(' is no valid regular expression: missing )"));
  EXPECT_THAT(ErrorOf("shared: true"), HasSubstr("is not supported by this version"));
}

}  // namespace
}  // namespace onnxquant
