#include "lib/verify/summary.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

const std::vector<float> kReference = {std::log(2.0F), 0, 0};
const std::vector<float> kOther = {0, 0, std::log(2.0F)};
constexpr double kDivergence = 0.25 * 0.6931471805599453;

TEST(QuantileTest, InterpolatesBetweenTheNearestTwo) {
  EXPECT_DOUBLE_EQ(Quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(Quantile({10, 20, 30, 40, 50}, 0.99), 49.6);
  EXPECT_DOUBLE_EQ(Quantile({10, 20}, 0), 10);
  EXPECT_DOUBLE_EQ(Quantile({10, 20}, 1), 20);
  EXPECT_DOUBLE_EQ(Quantile({7}, 0.999), 7);
  EXPECT_TRUE(std::isnan(Quantile({}, 0.5)));
}

TEST(PerplexityTest, GivesTheIntervalOfTheMeanLoss) {
  // Mean 2, standard deviation 1, standard error 1/√3.
  const Perplexity result = PerplexityOf({1, 2, 3});
  EXPECT_NEAR(result.value, std::exp(2.0), 1e-12);
  EXPECT_NEAR(result.low, std::exp(2.0 - 1.959963984540054 / std::sqrt(3.0)), 1e-12);
  EXPECT_NEAR(result.high, std::exp(2.0 + 1.959963984540054 / std::sqrt(3.0)), 1e-12);
}

TEST(CourseTest, KeepsEveryPositionOfAShortText) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const KlCourse course = CourseOf({0.5, nan, 0.25});
  EXPECT_EQ(course.each, 1U);
  ASSERT_EQ(course.largest.size(), 3U);
  EXPECT_EQ(course.largest[0], 0.5);
  EXPECT_TRUE(std::isnan(course.largest[1]));
  EXPECT_EQ(course.largest[2], 0.25);
}

TEST(CourseTest, GivesTheLargestOfEachStepOfALongText) {
  std::vector<double> kl(kMaxCourse * 2 + 1, 0.125);
  kl[5] = 3;
  kl[8] = std::numeric_limits<double>::quiet_NaN();  // and 9 is finite
  const KlCourse course = CourseOf(kl);
  EXPECT_EQ(course.each, 3U);
  EXPECT_EQ(course.largest.size(), (kl.size() + 2) / 3);
  EXPECT_EQ(course.largest[0], 0.125);
  EXPECT_EQ(course.largest[1], 3);
  EXPECT_TRUE(std::isnan(course.largest[2]));
}

TEST(PerplexityTest, HasNoIntervalForOneTokenAndNoValueForNone) {
  EXPECT_NEAR(PerplexityOf({2}).value, std::exp(2.0), 1e-12);
  EXPECT_TRUE(std::isnan(PerplexityOf({2}).low));
  EXPECT_TRUE(std::isnan(PerplexityOf({}).value));
}

TEST(SummarizeTest, AveragesPositions) {
  PositionLog log;
  const ReferencePosition reference(kReference);
  log.Add(reference, kReference, 0);
  log.Add(reference, kOther, 0);
  log.Add(reference, kOther, std::nullopt);
  const Summary summary = Summarize(log);
  EXPECT_EQ(summary.positions, 3U);
  EXPECT_NEAR(summary.kl_mean, 2 * kDivergence / 3, 1e-7);
  EXPECT_NEAR(summary.kl_median, kDivergence, 1e-7);
  EXPECT_NEAR(summary.kl_max, kDivergence, 1e-7);
  EXPECT_NEAR(summary.top1, 1.0 / 3, 1e-12);
  EXPECT_EQ(summary.top5, 1);
  // Probabilities 1/2 and 1/4 of the token that followed; the third position has none.
  EXPECT_NEAR(summary.perplexity.value, std::sqrt(8.0), 1e-6);
  EXPECT_NEAR(summary.reference_perplexity.value, 2, 1e-6);
  EXPECT_NEAR(summary.ratio.value, std::sqrt(2.0), 1e-6);
  EXPECT_EQ(summary.bad, 0U);
}

TEST(SummarizeTest, KeepsPositionsWithNanOutOfEverythingButTheCounts) {
  PositionLog log;
  const ReferencePosition reference(kReference);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  log.Add(reference, kReference, 0);
  log.Add(reference, std::vector<float>{nan, -inf, nan}, 0);
  const Summary summary = Summarize(log);
  EXPECT_EQ(summary.positions, 2U);
  EXPECT_EQ(summary.bad, 1U);
  EXPECT_EQ(summary.nan, 2U);
  EXPECT_EQ(summary.inf, 1U);
  EXPECT_NEAR(summary.kl_mean, 0, 1e-15);
  EXPECT_EQ(summary.top1, 1);
}

TEST(SummarizeTest, GivesTheReferencesPerplexityOfBadPositionsToo) {
  PositionLog log;
  const ReferencePosition reference(kReference);
  log.Add(reference, std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0, 0}, 1);
  const Summary summary = Summarize(log);
  EXPECT_TRUE(std::isnan(summary.perplexity.value));
  EXPECT_TRUE(std::isnan(summary.ratio.value));
  EXPECT_DOUBLE_EQ(summary.reference_perplexity.value, std::exp(reference.Loss(1)));
}

TEST(SummarizeTest, SaysNothingOfNoPositions) {
  const Summary summary = Summarize({});
  EXPECT_TRUE(std::isnan(summary.kl_mean));
  EXPECT_TRUE(std::isnan(summary.top1));
  EXPECT_TRUE(std::isnan(summary.perplexity.value));
}

}  // namespace
}  // namespace onnxquant
