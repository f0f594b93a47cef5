#include "lib/methods/search.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/methods/reference.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

using ::testing::Each;

std::vector<float> Importance(std::int64_t k) {
  std::vector<float> importance(static_cast<std::size_t>(k));
  for (std::size_t i = 0; i < importance.size(); ++i) {
    importance[i] = i % 5 == 0 ? 20.0F : 0.5F;
  }
  return importance;
}

// A diagonal as a matrix.
std::vector<float> Diagonal(const std::vector<float>& numbers) {
  std::vector<float> matrix(numbers.size() * numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) matrix[i * (numbers.size() + 1)] = numbers[i];
  return matrix;
}

TEST(Search, IsTheReferenceBitForBit) {
  for (const Grid& grid : GridsOf({16, 32, 100, 256})) {
    const std::vector<float> weights = SampleWeights(70, 150);
    for (const std::vector<float>& importance : {std::vector<float>(), Importance(150)}) {
      const Codes codes = Search(grid, weights, 150, importance);
      const Codes expected = reference::Search(grid, weights, 150, importance);
      if (Fuses()) {
        EXPECT_TRUE(SameBits(codes, expected)) << Text(grid);
      }
      const std::vector<float> moments =
          Diagonal(importance.empty() ? std::vector<float>(150, 1) : importance);
      const double objective = ObjectiveOf(weights, grid, expected, 150, moments);
      EXPECT_NEAR(ObjectiveOf(weights, grid, codes, 150, moments), objective, 0.01 * objective);
    }
  }
}

TEST(Search, IsNeverWorseThanTheNearestCodesInAnyRow) {
  const std::vector<float> moments = Diagonal(std::vector<float>(150, 1));
  for (const Grid& grid : GridsOf({16, 32, 128})) {
    const std::vector<float> weights = SampleWeights(30, 150);
    const auto nearest =
        ObjectiveOfRows(weights, grid, reference::Nearest(grid, weights, 150), 150, moments);
    const auto searched =
        ObjectiveOfRows(weights, grid, Search(grid, weights, 150, {}), 150, moments);
    for (std::size_t row = 0; row < searched.size(); ++row) {
      EXPECT_LE(searched[row], nearest[row] * (1 + 1e-6)) << Text(grid) << " row " << row;
    }
    EXPECT_LT(std::accumulate(searched.begin(), searched.end(), 0.0),
              0.99 * std::accumulate(nearest.begin(), nearest.end(), 0.0))
        << Text(grid);
  }
}

TEST(Search, SparesTheColumnsThatCountMost) {
  const std::vector<float> importance = Importance(96);
  const std::vector<float> weights = SampleWeights(40, 96);
  for (const Grid& grid : GridsOf({32})) {
    const double alike =
        ObjectiveOf(weights, grid, Search(grid, weights, 96, {}), 96, Diagonal(importance));
    const double weighed =
        ObjectiveOf(weights, grid, Search(grid, weights, 96, importance), 96, Diagonal(importance));
    EXPECT_LT(weighed, 0.99 * alike) << Text(grid);
  }
}

TEST(Search, FindsALatticeThatWeightsLieOn) {
  // The scales are powers of two, which float16 holds.
  std::vector<float> weights;
  for (int i = 0; i < 64; ++i) weights.push_back(0.25F * static_cast<float>(i % 16 - 5));
  for (const bool half_scales : {false, true}) {
    const Grid grid{4, 32, false, half_scales};
    EXPECT_EQ(Values(grid, Search(grid, weights, 64, {}), 64), weights);
  }
}

TEST(Search, TurnsASymmetricBlockThatReachesFartherUp) {
  std::vector<float> weights(32);
  for (int i = 0; i < 32; ++i) weights[static_cast<std::size_t>(i)] = -0.5F * float(i % 16 - 8);
  const Grid grid{4, 32, true, true};
  const Codes codes = Search(grid, weights, 32, {});
  EXPECT_EQ(codes.scales[0], -0.5F);
  EXPECT_EQ(Values(grid, codes, 32), weights);
}

TEST(Search, KeepsZerosZeroAndCountsWhatIsNotFiniteAsZero) {
  for (const Grid& grid : GridsOf({16, 64})) {
    std::vector<float> weights(3 * 40);
    EXPECT_THAT(Values(grid, Search(grid, weights, 40, {}), 40), Each(0.0F)) << Text(grid);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i));
    weights[45] = 0;
    const Codes expected = Search(grid, weights, 40, {});
    for (const float wrong :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      weights[45] = wrong;
      EXPECT_TRUE(SameBits(Search(grid, weights, 40, {}), expected)) << Text(grid);
    }
  }
}

TEST(Search, TakesNoRows) {
  EXPECT_TRUE(Search({4, 32, false, false}, {}, 40, {}).codes.empty());
}

}  // namespace
}  // namespace onnxquant::methods
