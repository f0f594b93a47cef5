#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Fill(const std::string& number) {
  return absl::StrReplaceAll(R"((bool[n] m, float[n] x) => (float[n] y) <float wide_fill = {FILL}> {
  [cast] fill = Cast<to = 1>(wide_fill)
  y = Where(m, x, fill)
})",
                             {{"FILL", number}});
}

TEST_F(CheckTest, AFillThatACastMakesInfiniteIsAnError) {
  Check(InHalf(Text(Fill("-3.4e38"))));
  ASSERT_THAT(Kinds(), ElementsAre("mask_fill_beyond_range"));
  EXPECT_EQ(result_.findings[0].place, "cast");
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("-3.4e+38 float16, where it is infinite"));
  EXPECT_TRUE(result_.findings[0].mended);
  EXPECT_EQ(result_.policy, "repair");  // which clamps constants
}

TEST_F(CheckTest, AFillWithinTheRangeIsRight) {
  for (const char* number : {"-65504", "-10000", "65510"}) {
    EXPECT_THAT(Check(InHalf(Text(Fill(number)))).findings, IsEmpty()) << number;
  }
}

TEST_F(CheckTest, AFillThatIsInfiniteInTheFileIsRight) {
  Check(InHalf(Text(absl::StrReplaceAll(Fill("-3.4e38"), {{"wide_fill", "fill0"}}))));
  EXPECT_THAT(Kinds(), IsEmpty());
}

TEST_F(CheckTest, ANanAmongConstantsIsAnError) {
  onnx::ModelProto model =
      InHalf(Text("(float[2] x) => (float[2] y) <float[2] c> {\n"
                  "  [add] y = Add(x, c)\n}"));
  model.mutable_graph()->mutable_initializer(0)->set_int32_data(1, 0x7e00);
  Check(model);
  ASSERT_THAT(Kinds(), ElementsAre("mask_fill_beyond_range"));
  EXPECT_THAT(result_.findings[0].evidence, HasSubstr("the constant 'c', which holds NaN"));
  EXPECT_FALSE(result_.findings[0].mended);
}

}  // namespace
}  // namespace onnxquant
