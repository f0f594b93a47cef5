#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Norm(const std::string& call) {
  return "(float[n, 8] x, float[n, 8] wide_x) => (float[n, 8] y)\n"
         "<float[8] gain, float[8] wide_gain, float[8] bias> { [norm] y = " +
         call + " }";
}

TEST_F(CheckTest, ANormOfTwoTypesIsAnError) {
  for (const char* call :
       {"SimplifiedLayerNormalization(x, wide_gain)", "LayerNormalization(x, wide_gain)",
        "LayerNormalization(wide_x, gain)", "LayerNormalization(x, gain, wide_gain)",
        "com.microsoft.SkipLayerNormalization(wide_x, wide_x, gain)",
        "InstanceNormalization(x, wide_gain, bias)"}) {
    Check(InHalf(Text(Norm(call))));
    ASSERT_THAT(Kinds(), testing::Contains("mixed_norm")) << call;
    const Finding& finding = result_.findings[0];
    EXPECT_EQ(finding.severity, Severity::kError);
    EXPECT_EQ(finding.place, "norm");
    EXPECT_THAT(finding.evidence, HasSubstr("Invalid ShaderModule")) << call;
  }
}

TEST_F(CheckTest, ANormOfOneTypeIsRight) {
  for (const char* call :
       {"SimplifiedLayerNormalization(x, gain)", "LayerNormalization(wide_x, wide_gain)",
        "LayerNormalization(x, gain, bias)"}) {
    EXPECT_THAT(Check(InHalf(Text(Norm(call)))).findings, IsEmpty()) << call;
  }
}

TEST_F(CheckTest, TheCpuProviderAcceptsANormOfTwoTypes) {
  const auto model = InHalf(Text(Norm("SimplifiedLayerNormalization(x, wide_gain)")));
  EXPECT_THAT(Check(model, {.target = "cpu"}).findings, IsEmpty());
}

TEST_F(CheckTest, NormsOfTwoTypesAreCounted) {
  Check(InHalf(Text(R"((float[n, 8] x) => (float[n, 8] y) <float[8] wide_gain> {
  [a] m = LayerNormalization(x, wide_gain)
  [b] y = LayerNormalization(m, wide_gain)
})")));
  ASSERT_THAT(Kinds(), ElementsAre("mixed_norm"));
  EXPECT_EQ(result_.findings[0].count, 2);
  EXPECT_THAT(result_.findings[0].places, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace onnxquant
