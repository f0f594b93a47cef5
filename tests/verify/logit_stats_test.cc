#include "lib/verify/logit_stats.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Logits whose softmax is {1/2, 1/4, 1/4} and {1/4, 1/4, 1/2}; a constant is added to the second,
// which must change nothing but the logits' own errors.
const std::vector<float> kHalfFirst = {std::log(2.0F), 0, 0};
const std::vector<float> kHalfLast = {10, 10, 10 + std::log(2.0F)};

TEST(TopIndicesTest, OrdersByValueAndThenByIndex) {
  EXPECT_THAT(TopIndices({1, 5, 3, 5, 2}, 3), ElementsAre(1, 3, 2));
}

TEST(TopIndicesTest, GivesAllOfFewValues) {
  EXPECT_THAT(TopIndices({1, 2}, 5), ElementsAre(1, 0));
  EXPECT_THAT(TopIndices({}, 5), ElementsAre());
}

TEST(TopIndicesTest, TakesNanForTheSmallest) {
  EXPECT_THAT(TopIndices({kNan, -kInf, 1, kNan}, 4), ElementsAre(2, 1, 0, 3));
}

TEST(CountNonFiniteTest, CountsNanAndBothInfinities) {
  const NonFinite count = CountNonFinite({0, kNan, kInf, -kInf, kNan, kNan});
  EXPECT_EQ(count.nan, 3U);
  EXPECT_EQ(count.inf, 2U);
  EXPECT_TRUE(count.any());
  EXPECT_FALSE(CountNonFinite({0, 1}).any());
}

TEST(ReferencePositionTest, ComputesTheSoftmaxAndTheLossOfATokenByHand) {
  const ReferencePosition reference(kHalfFirst);
  EXPECT_NEAR(reference.probabilities()[0], 0.5, 1e-7);
  EXPECT_NEAR(reference.probabilities()[1], 0.25, 1e-7);
  EXPECT_NEAR(reference.Loss(0), std::log(2.0), 1e-7);
  EXPECT_NEAR(reference.Loss(2), std::log(4.0), 1e-7);
}

TEST(ReferencePositionTest, StandsLogitsFarBeyondTheRangeOfTheExponential) {
  const std::vector<float> logits = {30000, 29999};
  const ReferencePosition reference(logits);
  EXPECT_NEAR(reference.Loss(0), std::log1p(std::exp(-1.0)), 1e-12);
}

TEST(ComparePositionTest, ComputesTheDivergenceByHand) {
  const ReferencePosition reference(kHalfFirst);
  const PositionComparison result = ComparePosition(reference, kHalfLast, 2);
  // 1/2 ln(1/2 : 1/4) + 1/4 ln(1) + 1/4 ln(1/4 : 1/2) = 1/4 ln 2.
  EXPECT_NEAR(result.kl, 0.25 * std::log(2.0), 1e-6);
  EXPECT_NEAR(*result.loss, std::log(2.0), 1e-6);
  EXPECT_FALSE(result.same_top);
  EXPECT_NEAR(result.largest_error, 10 + std::log(2.0), 1e-6);
}

TEST(ComparePositionTest, FindsNothingBetweenEqualLogits) {
  const std::vector<float> logits = {1, -3, 2.5F, 0};
  const PositionComparison result =
      ComparePosition(ReferencePosition(logits), logits, std::nullopt);
  EXPECT_NEAR(result.kl, 0, 1e-15);
  EXPECT_TRUE(result.same_top);
  EXPECT_EQ(result.top_overlap, 1);
  EXPECT_EQ(result.largest_error, 0);
  EXPECT_FALSE(result.loss.has_value());
}

TEST(ComparePositionTest, CountsHowManyOfTheFiveLikeliestAreShared) {
  const std::vector<float> reference = {9, 8, 7, 6, 5, 0, 0, 0};
  const std::vector<float> candidate = {9, 8, 7, 0, 0, 6, 5, 1};
  const PositionComparison result =
      ComparePosition(ReferencePosition(reference), candidate, std::nullopt);
  EXPECT_DOUBLE_EQ(result.top_overlap, 0.6);
  EXPECT_TRUE(result.same_top);
}

TEST(ComparePositionTest, KeepsASmallDivergenceOfALargeVocabularyExact) {
  // Two of 2^18 equal logits move by ±d: KL = ln(1 + (cosh d - 1) / 2^17) / 1, near d² / 2^18.
  constexpr std::size_t kSize = 1 << 18;
  constexpr double kMove = 0.0078125;
  const std::vector<float> reference(kSize, 3);
  std::vector<float> candidate = reference;
  candidate[5] += static_cast<float>(kMove);
  candidate[9] -= static_cast<float>(kMove);
  const PositionComparison result =
      ComparePosition(ReferencePosition(reference), candidate, std::nullopt);
  const double exact = std::log1p(2 * (std::cosh(kMove) - 1) / kSize);
  EXPECT_NEAR(result.kl, exact, 2e-14);
}

TEST(ComparePositionTest, StandsLogitsThatAreFarOff) {
  // The reference is sure of the first token, the candidate of the second, by 2000 nats.
  const std::vector<float> logits = {1000, 0};
  const ReferencePosition reference(logits);
  const PositionComparison result = ComparePosition(reference, {0, 2000}, 1);
  EXPECT_NEAR(result.kl, 2000, 1e-9);
  EXPECT_NEAR(*result.loss, 0, 1e-9);
}

}  // namespace
}  // namespace onnxquant
