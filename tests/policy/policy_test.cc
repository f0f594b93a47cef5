#include "lib/policy/policy.h"

#include "gtest/gtest.h"
#include "lib/formats/formats.h"

namespace onnxquant {
namespace {

Subject Projection() {
  Subject subject;
  subject.role = "v_proj";
  subject.op = "MatMul";
  subject.name = "/model/layers.3/attn/v_proj/MatMul";
  subject.weight = "model.layers.3.v_proj.weight";
  subject.layer = 3;
  subject.layers = 18;
  return subject;
}

TEST(Policy, EverySelectorMustHold) {
  Match match;
  match.roles = {"v_proj", "norm"};
  match.ops = {"MatMul"};
  EXPECT_TRUE(Matches(match, Projection()));
  match.ops = {"Gemm"};
  EXPECT_FALSE(Matches(match, Projection()));
}

TEST(Policy, ASpecialKindIsFoundByTheWiderRoleAsWell) {
  Subject subject = Projection();
  subject.role = "cross_attention";
  subject.also = "attention";
  Match match;
  for (const char* role : {"cross_attention", "attention"}) {
    match.roles = {role};
    EXPECT_TRUE(Matches(match, subject)) << role;
  }
  match.roles = {"norm"};
  EXPECT_FALSE(Matches(match, subject));
}

TEST(Policy, GlobsCrossSlashesAndRegexesSearch) {
  Match match;
  match.names = {"*v_proj*"};
  EXPECT_TRUE(Matches(match, Projection()));
  match.names = {"v_proj"};
  EXPECT_FALSE(Matches(match, Projection()));
  match.names = {"/model/layers.[0-4]/*"};
  EXPECT_TRUE(Matches(match, Projection()));
  match.names.clear();
  match.regexes = {Pattern::Compile("layers\\.[1-3]/").value()};
  EXPECT_TRUE(Matches(match, Projection()));
  match.regexes = {Pattern::Compile("^layers").value()};
  EXPECT_FALSE(Matches(match, Projection()));
}

TEST(Policy, ANameIsMatchedWholeWhateverBytesItHas) {
  Match match;
  Subject subject = Projection();
  subject.name = std::string("norm\0tail", 9);
  match.names = {"norm"};
  EXPECT_FALSE(Matches(match, subject));
  match.names = {"norm?tail"};
  EXPECT_TRUE(Matches(match, subject));
  match.names.clear();
  match.regexes = {Pattern::Compile("^norm$").value()};
  EXPECT_FALSE(Matches(match, subject));
}

TEST(Policy, AWeightSelectorNeedsAWeight) {
  Match match;
  match.weights = {"*"};
  Subject subject = Projection();
  EXPECT_TRUE(Matches(match, subject));
  subject.weight.clear();
  EXPECT_FALSE(Matches(match, subject));
}

TEST(Policy, ElementsAreThoseOfAWeight) {
  Match match;
  match.least_elements = 6;
  match.most_elements = 12;
  Subject subject;
  EXPECT_FALSE(Matches(match, subject));
  const auto matches = [&](std::vector<std::int64_t> dims) {
    subject.reading.emplace().dims = std::move(dims);
    return Matches(match, subject);
  };
  EXPECT_FALSE(matches({5}));
  EXPECT_TRUE(matches({2, 3}));
  EXPECT_TRUE(matches({3, 4}));
  EXPECT_FALSE(matches({13}));
  match.most_elements.reset();
  EXPECT_TRUE(matches({1 << 30, 1 << 30, 1 << 30}));
}

TEST(Policy, AHazardSelectorNeedsOneOfItsHazards) {
  const HazardName small_eps = {"small_eps", "", InHalf::kWrong, InHalf::kRight};
  const Hazard found[] = {{0, &small_eps, "why"}};
  Match match;
  match.hazards = {"near_zero", "small_eps"};
  Subject subject = Projection();
  EXPECT_FALSE(Matches(match, subject));
  subject.hazards = found;
  EXPECT_TRUE(Matches(match, subject));
  EXPECT_EQ(FindHazard(match, subject), &found[0]);
  match.hazards = {"near_zero"};
  EXPECT_FALSE(Matches(match, subject));
  match.hazards = {"bfloat16"};
  EXPECT_FALSE(Matches(match, subject));
  for (const char* word : {"any", "float16"}) {
    match.hazards = {word};
    EXPECT_TRUE(Matches(match, subject));
  }
  EXPECT_FALSE(Matches(match, Projection()));
}

TEST(Policy, LayersCountFromBothEnds) {
  Match match;
  const auto matches_layer = [&](int first, int last, int layer) {
    match.layers = {{first, last}};
    Subject subject = Projection();
    subject.layer = layer;
    return Matches(match, subject);
  };
  EXPECT_TRUE(matches_layer(3, 3, 3));
  EXPECT_FALSE(matches_layer(3, 3, 4));
  EXPECT_TRUE(matches_layer(-1, -1, 17));
  EXPECT_FALSE(matches_layer(-1, -1, 16));
  EXPECT_TRUE(matches_layer(0, -3, 15));
  EXPECT_FALSE(matches_layer(0, -3, 16));
  EXPECT_FALSE(matches_layer(-1, -1, -1));  // outside layers
}

TEST(Policy, ARuleWithoutWhenAppliesToEveryOutput) {
  Rule rule;
  EXPECT_TRUE(AppliesTo(rule, "q4"));
  rule.when = {"fp16"};
  EXPECT_FALSE(AppliesTo(rule, "q4"));
}

TEST(Policy, FormatsSayEverythingThatSetsThemApart) {
  WeightFormat format;
  EXPECT_EQ(ToString(format), "float32");
  format = *FormatOfWord("int4");
  EXPECT_EQ(ToString(format), "int4 block 32 symmetric");
  format.symmetric = false;
  format.source = ElementType::kFloat16;
  EXPECT_EQ(ToString(format), "int4 block 32 asymmetric from float16");
}

}  // namespace
}  // namespace onnxquant
