#include "lib/formats/narrow.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<float> Widened(const std::vector<std::uint16_t>& halves) {
  std::vector<float> floats(halves.size());
  kernels::HalfToFloat(halves, absl::MakeSpan(floats));
  return floats;
}

TEST(NarrowTest, ALimitStandsForTheEndOfTheTypesRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> in = {-1e9F, -28672, 0.5F, 30000, -infinity};
  std::vector<std::uint16_t> out(in.size());
  const kernels::NarrowStats stats =
      Narrow(in, ElementType::kFloat16, Overflow::kClamp, absl::MakeSpan(out), 28672);
  EXPECT_THAT(Widened(out), ElementsAre(-28672, -28672, 0.5F, 28672, -infinity));
  EXPECT_EQ(stats.overflowed, 2U);
  EXPECT_EQ(stats.nonfinite, 1U);
  EXPECT_EQ(stats.peak, 1e9);
  EXPECT_THAT(DescribeOverflow(stats, ElementType::kFloat16, Overflow::kClamp, "'mask'", 28672),
              HasSubstr("'mask': 2 values lie beyond 28672, where sums of mask fills end in "
                        "float16"));
}

TEST(NarrowTest, WithoutALimitTheTypesRangeHolds) {
  const std::vector<float> in = {-1e9F, 30000};
  std::vector<std::uint16_t> out(in.size());
  const kernels::NarrowStats stats =
      Narrow(in, ElementType::kFloat16, Overflow::kClamp, absl::MakeSpan(out));
  EXPECT_THAT(Widened(out), ElementsAre(-65504, 30000));
  EXPECT_EQ(stats.overflowed, 1U);
  EXPECT_THAT(DescribeOverflow({}, ElementType::kFloat16, Overflow::kClamp, "'mask'", 28672),
              IsEmpty());
}

TEST(NarrowTest, FloatsThatAreRoundedLaterAreLimitedAsTheyAre) {
  std::vector<float> numbers = {-1e9F, 0.5F, 65504};
  const kernels::NarrowStats stats = Limit(absl::MakeSpan(numbers), 65504);
  EXPECT_THAT(numbers, ElementsAre(-65504, 0.5F, 65504));
  EXPECT_EQ(stats.overflowed, 1U);
  EXPECT_THAT(DescribeOverflow(stats, ElementType::kFloat, Overflow::kClamp, "'mask'", 65504),
              HasSubstr("beyond 65504, where mask fills end in float16"));
  EXPECT_EQ(Limit(absl::MakeSpan(numbers), 0).overflowed, 0U);
}

}  // namespace
}  // namespace onnxquant
