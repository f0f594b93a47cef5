#include "lib/kernels/double.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace onnxquant::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

TEST(Double, RoundsToTheNearestFloat32AndCountsWhatDoesNotFit) {
  const std::vector<double> in = {1.0 + 0x1p-25, -1e300, 1e-300, kInfinity, 3.0};
  std::vector<float> out(in.size());
  const NarrowStats stats = DoubleToFloat(in, absl::MakeSpan(out), OverflowMode::kInfinity);
  EXPECT_EQ(out[0], 1.0F);
  EXPECT_EQ(out[1], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(out[2], 0.0F);
  EXPECT_EQ(out[3], std::numeric_limits<float>::infinity());
  EXPECT_EQ(stats.overflowed, 1U);
  EXPECT_EQ(stats.underflowed, 1U);
  EXPECT_EQ(stats.nonfinite, 1U);
  EXPECT_EQ(stats.peak, 1e300);
  DoubleToFloat(in, absl::MakeSpan(out), OverflowMode::kClamp);
  EXPECT_EQ(out[1], -kLargest);
  EXPECT_EQ(out[3], std::numeric_limits<float>::infinity());  // as it was
}

std::uint16_t ThroughFloat(double number, bool odd) {
  float between = 0;
  if (odd) {
    DoubleToOddFloat({&number, 1}, {&between, 1});
  } else {
    between = static_cast<float>(number);
  }
  std::uint16_t half = 0;
  FloatToHalf({&between, 1}, {&half, 1}, OverflowMode::kInfinity);
  return half;
}

// Just above the middle between 1 and the next float16: nearest float32 is the middle itself, and
// the tie would go to 1.
TEST(Double, RoundingToOddMakesTwoRoundingsOne) {
  const double number = 1.0 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(ThroughFloat(number, false), 0x3c00);
  EXPECT_EQ(ThroughFloat(number, true), 0x3c01);
  EXPECT_EQ(ThroughFloat(-number, true), 0xbc01);
  EXPECT_EQ(ThroughFloat(1.0 + 0x1p-11 - 0x1p-40, true), 0x3c00);
}

TEST(Double, RoundingToOddKeepsWhatFloat32Holds) {
  const std::vector<double> in = {0.0, -0.0, 1.5, -kInfinity, 1e300, 1e-300, 0x1p-149, -65504.0};
  std::vector<float> out(in.size());
  DoubleToOddFloat(in, absl::MakeSpan(out));
  EXPECT_EQ(out[0], 0.0F);
  EXPECT_TRUE(std::signbit(out[1]));
  EXPECT_EQ(out[2], 1.5F);
  EXPECT_EQ(out[3], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(out[4], kLargest);
  EXPECT_EQ(out[5], 0x1p-149F);
  EXPECT_EQ(out[6], 0x1p-149F);
  EXPECT_EQ(out[7], -65504.0F);
}

TEST(Double, RoundingToOddStaysNextToTheNumber) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 10000; ++i) {
    const double number = normal(random);
    float odd = 0;
    DoubleToOddFloat({&number, 1}, {&odd, 1});
    const auto nearest = static_cast<float>(number);
    EXPECT_TRUE(odd == nearest || odd == std::nextafter(nearest, kLargest) ||
                odd == std::nextafter(nearest, -kLargest));
    EXPECT_LT(std::fabs(static_cast<double>(odd) - number), 0x1p-23 * std::fabs(number));
  }
}

}  // namespace
}  // namespace onnxquant::kernels
