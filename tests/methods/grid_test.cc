#include "lib/methods/grid.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant::methods {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::Pointwise;

TEST(Grid, StandsForCodesLessZeroPointTimesTheScaleOfTheirBlock) {
  const Grid grid{4, 2, false, false};
  const Codes codes{{0, 15, 3, 7, 8, 9}, {0.5F, 2.0F, -1.0F, 0.25F}, {1, 3, 7, 8}};
  EXPECT_THAT(Values(grid, codes, 3), ElementsAre(-0.5F, 7.0F, 0.0F, 0.0F, -1.0F, 0.25F));
}

TEST(Grid, CountsAPartOfABlockAsOne) {
  const Grid grid{4, 32, false, false};
  EXPECT_EQ(grid.BlocksOf(1), 1);
  EXPECT_EQ(grid.BlocksOf(32), 1);
  EXPECT_EQ(grid.BlocksOf(33), 2);
}

TEST(Grid, ShrinksFourBitsAsMeasured) {
  std::vector<float> asymmetric;
  std::vector<float> symmetric;
  for (int i = 0; i < 10; ++i) {
    asymmetric.push_back(0.7F + 0.3F * static_cast<float>(i) / 9);
    symmetric.push_back(0.7F + 0.4F * static_cast<float>(i) / 9);
  }
  EXPECT_THAT(ShrinksOf({4, 32, false, false}).shares, Pointwise(FloatEq(), asymmetric));
  EXPECT_THAT(ShrinksOf({4, 32, true, false}).shares, Pointwise(FloatEq(), symmetric));
}

TEST(Grid, ReachesTheOutermostWeightWithSomeShare) {
  for (const int bits : {2, 4, 8}) {
    for (const bool symmetric : {false, true}) {
      const Shrinks shrinks = ShrinksOf({bits, 32, symmetric, false});
      EXPECT_GE(shrinks.shares[Shrinks::kCount - 1], 1.0F) << bits << symmetric;
      EXPECT_LT(shrinks.shares[0], 1.0F) << bits << symmetric;
    }
  }
}

}  // namespace
}  // namespace onnxquant::methods
