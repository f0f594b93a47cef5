#include "lib/policy/rope_fits.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/rope_model.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

constexpr char kTwoPairs[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
  g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
  <float[64, 4] c, float[64, 4] s, float[64, 4] c2, float[64, 4] s2> {
    a = com.microsoft.RotaryEmbedding(x, at, c, s)
    y = com.microsoft.RotaryEmbedding(a, at, c2, s2)
  })";
const std::vector<float> kFrequencies = {1.0F, 0.1F, 0.01F, 0.001F};
const std::vector<float> kOthers = {1.0F, 0.2F, 0.04F, 0.008F};

class RopeFitsTest : public ::testing::Test {
 protected:
  std::vector<RopeFit> FitsOf(onnx::ModelProto proto, bool at_hand = true) {
    auto model = Model::FromProto(std::move(proto), "m.onnx");
    EXPECT_TRUE(model.ok()) << model.status();
    const auto analysis = Analyze(model->proto(), "m.onnx");
    EXPECT_TRUE(analysis.ok()) << analysis.status();
    const Evidence evidence{at_hand ? &*model : nullptr, {}};
    auto fits = FitRopeCaches(*analysis, evidence);
    EXPECT_TRUE(fits.ok()) << fits.status();
    return *std::move(fits);
  }
};

TEST_F(RopeFitsTest, EveryPairHasItsFit) {
  onnx::ModelProto model = ParseModel(kTwoPairs);
  AddRopeTables("c", "s", kFrequencies, 64, model);
  AddRopeTables("c2", "s2", kOthers, 64, model);
  const std::vector<RopeFit> fits = FitsOf(model);
  ASSERT_EQ(fits.size(), 2);
  EXPECT_EQ(fits[0].frequencies, kFrequencies);
  EXPECT_EQ(fits[1].frequencies, kOthers);
}

TEST_F(RopeFitsTest, PairsThatAreEqualHaveOneFit) {
  onnx::ModelProto model = ParseModel(kTwoPairs);
  AddRopeTables("c", "s", kFrequencies, 64, model);
  AddRopeTables("c2", "s2", kFrequencies, 64, model);
  const std::vector<RopeFit> fits = FitsOf(model);
  ASSERT_EQ(fits.size(), 2);
  EXPECT_EQ(fits[0].frequencies, fits[1].frequencies);
  EXPECT_EQ(fits[1].frequencies, kFrequencies);
}

TEST_F(RopeFitsTest, APairThatOnlyBeginsLikeAnotherHasAFitOfItsOwn) {
  onnx::ModelProto model = ParseModel(kTwoPairs);
  AddRopeTables("c", "s", kFrequencies, 64, model);
  AddRopeTables("c2", "s2", kFrequencies, 64, model);
  std::string* sines = model.mutable_graph()->mutable_initializer(3)->mutable_raw_data();
  sines->back() = static_cast<char>(sines->back() ^ 1);  // exponent of the last value
  const std::vector<RopeFit> fits = FitsOf(model);
  EXPECT_TRUE(fits[0].ok());
  EXPECT_THAT(fits[1].reason, HasSubstr(" column 3 holds the "));
}

TEST_F(RopeFitsTest, WhatMayNotBeReplacedIsNotRead) {
  onnx::ModelProto model = ParseModel(
      R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
      g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y, int64[2] z)
      <float[64, 4] c, float[64, 4] s> {
        y = com.microsoft.RotaryEmbedding(x, at, c, s)
        [ask] z = Shape(c)
      })");
  AddRopeTables("c", "s", kFrequencies, 64, model);
  EXPECT_THAT(FitsOf(model).at(0).reason, HasSubstr("node 'ask' (Shape)"));
}

TEST_F(RopeFitsTest, WithoutTheModelNothingIsKnown) {
  const std::vector<RopeFit> fits = FitsOf(ParseModel(kTwoPairs), false);
  EXPECT_EQ(fits.at(1).reason, "their values are not at hand");
}

TEST_F(RopeFitsTest, TablesOfTwoTypesAreRefused) {
  onnx::ModelProto model = ParseModel(
      R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
      g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
      <float[64, 4] c, float16[64, 4] s> {
        s32 = Cast<to = 1>(s)
        y = com.microsoft.RotaryEmbedding(x, at, c, s32)
      })");
  EXPECT_EQ(FitsOf(model).at(0).reason, "the cosines and sines are of two types");
}

TEST(ComputesRope, AsksOutputsAndRules) {
  const auto computes = [](const std::string& output, const std::string& rule) {
    const auto policy = ParsePolicy(
        "{policy: 1, name: p, outputs: {fp16: {compute: float16, weights: float16, io: float16" +
            output + "}}, rules: [{match: {role: rope}, compute: float32" + rule + "}]}",
        "p");
    EXPECT_TRUE(policy.ok()) << policy.status();
    return ComputesRope(*policy);
  };
  EXPECT_FALSE(computes("", ""));
  EXPECT_FALSE(computes(", rope_cache: keep", ", rope_cache: {positions: 4}"));
  EXPECT_TRUE(computes(", rope_cache: computed", ""));
  EXPECT_TRUE(computes("", ", rope_cache: {computed: 4}"));
}

}  // namespace
}  // namespace onnxquant
