#include "lib/base/number_ranges.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(NumberRanges, NeighboursAreARange) {
  EXPECT_EQ(NumberRanges({0, 1, 2, 3}), "0-3");
  EXPECT_EQ(NumberRanges({7, 8}), "7-8");
}

TEST(NumberRanges, OthersStandOneByOne) {
  EXPECT_EQ(NumberRanges({}), "");
  EXPECT_EQ(NumberRanges({17}), "17");
  EXPECT_EQ(NumberRanges({-1, 0, 2, 4, 5, 9}), "-1-0, 2, 4-5, 9");
}

}  // namespace
}  // namespace onnxquant
