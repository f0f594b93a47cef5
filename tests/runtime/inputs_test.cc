#include "lib/runtime/inputs.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Values(const Tensor& tensor) {
  std::vector<float> scratch;
  const absl::Span<const float> values = tensor.Floats(0, tensor.elements(), scratch);
  return {values.begin(), values.end()};
}

TEST(InputsTest, ChoosesOneForTheBatchAndTheUsersSizesElsewhere) {
  const ValueSignature input = {
      "x", ElementType::kFloat, {{-1, "batch_size"}, {3, ""}, {-1, "width"}, {-1, "height"}}};
  const auto tensor = MakeInput(input, {.seed = 0, .dims = {{"height", 5}}});
  ASSERT_TRUE(tensor.ok());
  EXPECT_THAT(tensor->dims(), ElementsAre(1, 3, 16, 5));
  EXPECT_EQ(ChooseDimension({-1, ""}, 0, {}), 1);
  EXPECT_EQ(ChooseDimension({-1, ""}, 1, {}), 16);
}

TEST(InputsTest, DrawsNormalNumbersThatDependOnSeedAndName) {
  const ValueSignature input = {"x", ElementType::kFloat, {{10000, ""}}};
  const std::vector<float> values = Values(*MakeInput(input, {}));
  double sum = 0;
  double squares = 0;
  for (const float value : values) {
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / 10000, 0, 0.05);
  EXPECT_NEAR(squares / 10000, 1, 0.05);
  EXPECT_EQ(values, Values(*MakeInput(input, {})));
  EXPECT_NE(values, Values(*MakeInput(input, {.seed = 1, .dims = {}})));
  EXPECT_NE(values, Values(*MakeInput({"y", ElementType::kFloat, {{10000, ""}}}, {})));
}

TEST(InputsTest, GivesAFloat16ModelTheRoundedNumbersOfTheFloat32One) {
  const auto wide = Values(*MakeInput({"x", ElementType::kFloat, {{64, ""}}}, {}));
  const auto half = Values(*MakeInput({"x", ElementType::kFloat16, {{64, ""}}}, {}));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_NEAR(wide[i], half[i], std::abs(wide[i]) / 1024);
  }
}

TEST(InputsTest, FillsMasksWithOnesAndIntegersWithSmallNumbers) {
  const auto mask = MakeInput({"pixel_mask", ElementType::kFloat, {{4, ""}}}, {});
  ASSERT_TRUE(mask.ok());
  const auto truth = MakeInput({"flag", ElementType::kBool, {{3, ""}}}, {});
  EXPECT_THAT(truth->bytes(), Each(std::byte{1}));
  const auto integers = MakeInput({"kinds", ElementType::kInt64, {{100, ""}}}, {});
  const auto* values = reinterpret_cast<const std::int64_t*>(integers->bytes().data());
  for (int i = 0; i < 100; ++i) EXPECT_LT(static_cast<std::uint64_t>(values[i]), 10U);
}

TEST(InputsTest, RefusesWhatItCannotMakeUp) {
  const auto tensor = MakeInput({"words", ElementType::kString, {{1, ""}}}, {});
  EXPECT_EQ(KindOf(tensor.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(tensor.status().message()), HasSubstr("input 'words' is string[1]"));
}

}  // namespace
}  // namespace onnxquant
