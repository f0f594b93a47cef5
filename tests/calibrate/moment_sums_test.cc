#include "lib/calibrate/moment_sums.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// Correlated rows, with a column that is always 0.
std::vector<float> Rows(std::size_t rows, std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * size);
  for (std::size_t t = 0; t < rows; ++t) {
    const float common = normal(random);
    for (std::size_t i = 0; i < size; ++i) {
      values[t * size + i] = i == 1 ? 0.0F : common + normal(random) * static_cast<float>(i % 7);
    }
  }
  return values;
}

Tensor Of(const std::vector<float>& values, std::size_t first, std::size_t rows, std::size_t size,
          ElementType type = ElementType::kFloat) {
  return Tensor::OfFloats(
      type, {static_cast<std::int64_t>(rows), 1, static_cast<std::int64_t>(size)},
      std::vector<float>(values.begin() + static_cast<std::ptrdiff_t>(first * size),
                         values.begin() + static_cast<std::ptrdiff_t>((first + rows) * size)));
}

std::vector<Moments> Sum(const std::vector<float>& values, std::size_t size, std::size_t step,
                         int threads = 0) {
  MomentSums sums({{"v", static_cast<std::int64_t>(size), ""}}, threads);
  const std::size_t rows = values.size() / size;
  for (std::size_t t = 0; t < rows; t += step) {
    EXPECT_TRUE(sums.Add({Of(values, t, std::min(step, rows - t), size)}).ok());
  }
  auto finished = std::move(sums).Finish();
  EXPECT_TRUE(finished.ok()) << finished.status();
  return *std::move(finished);
}

TEST(MomentSums, MultiplyEachRowWithItsFactorFirst) {
  const std::vector<float> values = Rows(700, 50, 6);  // more rows than wait at once
  std::vector<float> factors(700);
  std::vector<float> scaled = values;
  for (std::size_t t = 0; t < factors.size(); ++t) {
    factors[t] = static_cast<float>(t % 5) / 4;
    for (std::size_t i = 0; i < 50; ++i) scaled[t * 50 + i] *= factors[t];
  }
  MomentSums sums({{"v", 50, ""}});
  ASSERT_TRUE(sums.Add({Of(values, 0, 700, 50)}, {factors}).ok());
  EXPECT_EQ((*std::move(sums).Finish())[0].sums, Sum(scaled, 50, 700)[0].sums);
}

TEST(MomentSums, AreTheSumsInDoubleWithinTheStatedError) {
  for (const std::size_t size : {1U, 47U, 48U, 100U}) {
    constexpr std::size_t kRows = 3000;
    const std::vector<float> values = Rows(kRows, size, 5);
    const std::vector<Moments> moments = Sum(values, size, 96);
    ASSERT_EQ(moments.size(), 1U);
    EXPECT_EQ(moments[0].count, kRows);
    ASSERT_EQ(moments[0].sums.size(), size * size);
    const double bound = (kMomentRows + kRows / kMomentRows + 1) * 0x1.0p-24;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        double exact = 0;
        double magnitudes = 0;
        for (std::size_t t = 0; t < kRows; ++t) {
          const double product =
              static_cast<double>(values[t * size + i]) * static_cast<double>(values[t * size + j]);
          exact += product;
          magnitudes += std::fabs(product);
        }
        ASSERT_NEAR(moments[0].sums[i * size + j], exact, bound * magnitudes) << i << " " << j;
        ASSERT_EQ(moments[0].sums[i * size + j], moments[0].sums[j * size + i]);
      }
    }
  }
}

TEST(MomentSums, HangOnTheRowsAndNotOnStepsOrThreads) {
  const std::vector<float> values = Rows(1500, 60, 6);
  const std::vector<float> whole = Sum(values, 60, 1500)[0].sums;
  EXPECT_EQ(Sum(values, 60, 1)[0].sums, whole);
  EXPECT_EQ(Sum(values, 60, 700)[0].sums, whole);
  EXPECT_EQ(Sum(values, 60, 96, 1)[0].sums, whole);
  EXPECT_EQ(Sum(values, 60, 96, 7)[0].sums, whole);
}

TEST(MomentSums, KeepValuesOfOtherLengthsApart) {
  const std::vector<float> a = Rows(700, 50, 7);
  const std::vector<float> b = Rows(20, 9, 8);
  MomentSums sums({{"a", 50, ""}, {"b", 9, ""}});
  ASSERT_TRUE(sums.Add({Of(a, 0, 700, 50), Of(b, 0, 20, 9)}).ok());
  const auto both = std::move(sums).Finish();
  ASSERT_TRUE(both.ok());
  EXPECT_EQ((*both)[0].sums, Sum(a, 50, 700)[0].sums);
  EXPECT_EQ((*both)[1].sums, Sum(b, 9, 20)[0].sums);
  EXPECT_EQ((*both)[0].count, 700U);
  EXPECT_EQ((*both)[1].count, 20U);
}

TEST(MomentSums, ReadHalvesAsTheFloatsThatTheyAre) {
  std::vector<float> values(600 * 5);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 9) / 8;
  MomentSums sums({{"v", 5, ""}});
  ASSERT_TRUE(sums.Add({Of(values, 0, 600, 5, ElementType::kFloat16)}).ok());
  EXPECT_EQ((*std::move(sums).Finish())[0].sums, Sum(values, 5, 600)[0].sums);
}

TEST(MomentSums, RefuseWhatIsNoNumberByNameAndRow) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = Rows(600, 50, 9);
    values[555 * 50 + 49] = bad;
    MomentSums sums({{"v", 50, "layer 3"}});
    ASSERT_TRUE(sums.Add({Of(values, 0, 550, 50)}).ok());
    const absl::Status status = sums.Add({Of(values, 550, 50, 50)});
    EXPECT_EQ(KindOf(status), ErrorKind::kVerify);
    EXPECT_THAT(status.message(),
                HasSubstr("value 'v' (layer 3) holds NaN or infinity in its row 556"));
  }
}

TEST(MomentSums, RefuseSquaresBeyondFloat32) {
  MomentSums sums({{"v", 2, ""}});
  ASSERT_TRUE(sums.Add({Of({1, 1e20F}, 0, 1, 2)}).ok());
  EXPECT_THAT(std::move(sums).Finish().status().message(),
              HasSubstr("the squares of its column 1 add up to more than float32 holds"));
}

TEST(MomentSums, RefuseOtherShapes) {
  MomentSums sums({{"v", 4, ""}});
  const absl::Status status = sums.Add({Of({1, 2, 3}, 0, 1, 3)});
  EXPECT_EQ(KindOf(status), ErrorKind::kVerify);
  EXPECT_THAT(status.message(), HasSubstr("value 'v' is float32[1, 1, 3]"));
  EXPECT_THAT(sums.Add({Tensor::OfIntegers(ElementType::kInt64, {4}, {1, 2, 3, 4})}).message(),
              HasSubstr("value 'v' is int64[4]"));
}

}  // namespace
}  // namespace onnxquant
