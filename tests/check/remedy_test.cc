#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/policy_yaml.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNorm[] = R"((float[n, 8] x) => (float[n, 8] y) <float[8] wide_gain> {
  y = LayerNormalization(x, wide_gain)
})";

TEST_F(CheckTest, AGemmaIsMendedForTheWeb) {
  Check(InHalf(Text(kWideNorms, "30000")));
  EXPECT_EQ(result_.policy, "gemma-web");
  EXPECT_EQ(result_.dtype, "fp16");
  EXPECT_THAT(result_.command, HasSubstr("onnxquant --policy gemma-web --dtype fp16 -o "));
  EXPECT_THAT(result_.command, EndsWith(folder_ / "model_fp16.onnx"));
  EXPECT_THAT(result_.command, HasSubstr("-o " + (folder_ / "fixed") + " "));
}

TEST_F(CheckTest, AnyOtherModelKeepsItsTypesButForWhatIsWrong) {
  Check(InHalf(Text(kNorm)));
  EXPECT_EQ(result_.policy, "repair");
}

TEST_F(CheckTest, TheDtypeIsThatOfTheFilesName) {
  Check(InHalf(Text(kNorm)), {}, "model_q4f16.onnx");
  EXPECT_EQ(result_.dtype, "q4f16");
  Check(InHalf(Text(kNorm)), {}, "encoder.onnx");
  EXPECT_EQ(result_.dtype, "fp16");
}

TEST_F(CheckTest, ABFloat16ModelStaysOne) {
  Check(InHalf(Text(kNorm), onnx::TensorProto::BFLOAT16), {}, "model_bf16.onnx");
  EXPECT_EQ(result_.policy, "repair");
  EXPECT_EQ(result_.dtype, "bf16");
}

TEST_F(CheckTest, TheRecommendedPoliciesWriteTheirDtypes) {
  for (const char* name : {"model_fp16.onnx", "model_q4f16.onnx", "model_q4.onnx"}) {
    for (const auto& model : {InHalf(Text(kWideNorms, "30000")), InHalf(Text(kNorm))}) {
      Check(model, {}, name);
      const auto policy = LoadPolicy(result_.policy);
      ASSERT_TRUE(policy.ok()) << policy.status();
      EXPECT_TRUE(std::any_of(policy->outputs.begin(), policy->outputs.end(),
                              [&](const auto& output) { return output.dtype == result_.dtype; }))
          << result_.command;
    }
  }
}

TEST_F(CheckTest, NamesWithBlanksAreQuotedForTheShell) {
  Check(InHalf(Text(kNorm)), {}, "it's mine.onnx");
  EXPECT_THAT(result_.command, EndsWith("/it'\\''s mine.onnx'"));
}

TEST_F(CheckTest, ARightModelNeedsNoCommand) {
  Check(Text(kNorm));
  EXPECT_THAT(result_.policy, IsEmpty());
  EXPECT_THAT(result_.command, IsEmpty());
}

}  // namespace
}  // namespace onnxquant
