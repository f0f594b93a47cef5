#include "lib/kernels/compare.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace onnxquant::kernels {
namespace {

TEST(Distortion, FindsTheFactorBetweenScaledValues) {
  Distortion distortion;
  distortion.Add({1, 2, -4}, {0.25F, 0.5F, -1});
  EXPECT_EQ(distortion.scale(), 0.25);
  EXPECT_EQ(distortion.cosine(), 1.0);
  EXPECT_EQ(Distortion().scale(), 1.0);
  Distortion zeros;
  zeros.Add({0, 0}, {1, 2});
  EXPECT_EQ(zeros.scale(), 1.0);
}

TEST(Distortion, MeasuresKnownErrors) {
  Distortion distortion;
  distortion.Add(std::vector<float>{3, 4}, std::vector<float>{3, 3});
  EXPECT_EQ(distortion.count(), 2U);
  EXPECT_EQ(distortion.differing(), 1U);
  EXPECT_DOUBLE_EQ(distortion.max_abs(), 1.0);
  EXPECT_DOUBLE_EQ(distortion.mse(), 0.5);
  EXPECT_DOUBLE_EQ(distortion.sqnr_db(), 10 * std::log10(25.0));
  EXPECT_DOUBLE_EQ(distortion.cosine(), 21 / (5 * std::sqrt(18.0)));
}

TEST(Distortion, OfEqualValuesIsNone) {
  Distortion distortion;
  const std::vector<float> values = {1, -2, 0};
  distortion.Add(values, values);
  EXPECT_EQ(distortion.differing(), 0U);
  EXPECT_EQ(distortion.sqnr_db(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(distortion.cosine(), 1.0);
}

TEST(Distortion, OfPartsMergesToThatOfTheWhole) {
  std::vector<float> values, others;
  for (int i = 0; i < 1000; ++i) {
    values.push_back(static_cast<float>(i % 17) - 8);
    others.push_back(values.back() + (i % 5 == 0 ? 0.25F : 0.0F));
  }
  Distortion whole, first, second;
  whole.Add(values, others);
  first.Add(absl::MakeConstSpan(values).first(333), absl::MakeConstSpan(others).first(333));
  second.Add(absl::MakeConstSpan(values).subspan(333), absl::MakeConstSpan(others).subspan(333));
  first.Merge(second);
  EXPECT_EQ(first.count(), whole.count());
  EXPECT_EQ(first.differing(), 200U);
  EXPECT_NEAR(first.mse(), whole.mse(), 1e-12);
}

}  // namespace
}  // namespace onnxquant::kernels
