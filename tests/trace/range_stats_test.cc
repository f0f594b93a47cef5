#include "lib/trace/range_stats.h"

#include <limits>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

Range Of(const std::vector<float>& values) {
  RangeStats stats;
  stats.Add(values);
  return stats.Finish();
}

TEST(RangeStatsTest, FindsTheExtremes) {
  const Range range = Of({-7, 2, 5});
  EXPECT_EQ(range.elements, 3U);
  EXPECT_EQ(range.peak, 7);
  EXPECT_EQ(range.min, -7);
  EXPECT_EQ(range.max, 5);
}

TEST(RangeStatsTest, DoesNotTakeZeroForAnExtremeOfValuesOnOneSide) {
  EXPECT_EQ(Of({3, 4}).min, 3);
  EXPECT_EQ(Of({-3, -4}).max, -3);
}

TEST(RangeStatsTest, FindsQuantilesOfMagnitudesWithinAHundredth) {
  std::vector<float> values;
  for (int i = 1; i <= 10000; ++i) values.push_back(static_cast<float>(i % 2 == 0 ? i : -i));
  const Range range = Of(values);
  EXPECT_NEAR(range.p50, 5000, 50);
  EXPECT_NEAR(range.p99, 9900, 99);
  EXPECT_NEAR(range.p999, 9990, 99);
  EXPECT_LE(range.p999, range.peak);
}

TEST(RangeStatsTest, FindsQuantilesAtEitherEndOfTheBins) {
  EXPECT_EQ(Of({1e-12F, 1e-12F, 1e-12F}).p50, 0);
  EXPECT_EQ(Of({1e30F}).p50, 1e30F);
  EXPECT_NEAR(Of({0x1p-24F}).p50, 0x1p-24, 0x1p-30);
  EXPECT_NEAR(Of({65504}).p50, 65504, 600);
}

TEST(RangeStatsTest, CountsWhatFloat16CannotHold) {
  const float inf = std::numeric_limits<float>::infinity();
  const Range range = Of({65504, -65504, 65505, -1e6F, -inf, 0, 0, 0});
  EXPECT_DOUBLE_EQ(range.beyond_fp16, 3.0 / 8);
  EXPECT_EQ(range.inf, 1U);
  EXPECT_EQ(range.peak, 1e6);
  EXPECT_EQ(range.min, -1e6);
}

TEST(RangeStatsTest, KeepsNanOutOfEverythingButItsCount) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Range range = Of({nan, 4, nan, nan});
  EXPECT_EQ(range.nan, 3U);
  EXPECT_EQ(range.peak, 4);
  EXPECT_EQ(range.min, 4);
  EXPECT_NEAR(range.p99, 4, 0.04);
  EXPECT_EQ(Of({nan}).p99, 0);
}

TEST(RangeStatsTest, GivesTheSameForPieces) {
  RangeStats pieces;
  pieces.Add({5});
  pieces.Add({});
  pieces.Add({-7, 2});
  const Range range = pieces.Finish();
  EXPECT_EQ(range.min, -7);
  EXPECT_EQ(range.max, 5);
  EXPECT_EQ(range.p50, Of({5, -7, 2}).p50);
}

TEST(RangeStatsTest, SaysNothingOfNothing) {
  const Range range = RangeStats().Finish();
  EXPECT_EQ(range.elements, 0U);
  EXPECT_EQ(range.p99, 0);
  EXPECT_EQ(range.beyond_fp16, 0);
}

}  // namespace
}  // namespace onnxquant
