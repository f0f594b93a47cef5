#include "lib/methods/objective.h"

#include <vector>

#include "gtest/gtest.h"
#include "lib/methods/reference.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

TEST(Objective, IsThatOfTheReference) {
  for (const std::int64_t k : {1, 7, 64, 100, 300}) {
    for (const std::int64_t n : {1, 5, 64, 65}) {
      const std::vector<float> moments = SampleMoments(k, 40);
      const std::vector<float> weights = SampleWeights(n, k, 1);
      const std::vector<float> values = SampleWeights(n, k, 2);
      const double expected = reference::Objective(weights, values, k, moments);
      EXPECT_NEAR(Objective(weights, values, k, moments), expected, 1e-5 * expected);
      const double whole = reference::Objective(weights, {}, k, moments);
      EXPECT_NEAR(Objective(weights, {}, k, moments), whole, 1e-5 * whole);
    }
  }
}

TEST(Objective, IsTheEnergyOfTheOutputsDifference) {
  // One token x = (1, 2): the row's output is off by 0.5 * 1 - 1 * 2.
  EXPECT_DOUBLE_EQ(Objective({1.0F, 1.0F}, {0.5F, 2.0F}, 2, {1.0F, 2.0F, 2.0F, 4.0F}), 2.25);
}

TEST(Objective, OfEqualWeightsIsZero) {
  const std::vector<float> weights = SampleWeights(3, 50);
  EXPECT_EQ(Objective(weights, weights, 50, SampleMoments(50, 9)), 0);
}

}  // namespace
}  // namespace onnxquant::methods
