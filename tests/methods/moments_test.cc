#include "lib/methods/moments.h"

#include <cmath>
#include <limits>
#include <vector>

#include "Eigen/Cholesky"
#include "Eigen/Core"
#include "Eigen/LU"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Square InDouble(const std::vector<float>& numbers, std::int64_t k) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(numbers.data(), k, k).cast<double>();
}

std::string MessageOf(const std::vector<float>& moments, std::int64_t k,
                      const FactorOptions& options = {}) {
  return std::string(Factor(moments, k, options).status().message());
}

TEST(Factor, GivesTheCholeskyFactorOfTheInverseAsEigenDoesInDouble) {
  for (const std::int64_t k : {1, 2, 31, 63, 64, 65, 130, 400}) {
    const Factors factors = FactorsOf(SampleMoments(k, static_cast<int>(2 * k)), k);
    const Square inverse = InDouble(factors.moments, k).inverse();
    const Square expected = inverse.llt().matrixL();
    const Square found = InDouble(factors.factor, k);
    EXPECT_LT((found - expected).norm(), 1e-4 * expected.norm()) << k;
    EXPECT_EQ(Square(found.triangularView<Eigen::StrictlyUpper>()).norm(), 0) << k;
  }
}

TEST(Factor, AddsAShareOfTheMeanDiagonalToTheDiagonalAlone) {
  const absl::StatusOr<Factors> factors = Factor({1.0F, 0.5F, 0.5F, 2.0F}, 2, {0.1});
  ASSERT_TRUE(factors.ok());
  EXPECT_THAT(factors->moments,
              ::testing::Pointwise(::testing::FloatEq(), {1.15F, 0.5F, 0.5F, 2.15F}));
  EXPECT_EQ(factors->damping, 0.1);
}

TEST(Factor, IsTheSameForMomentsOfAnyPowerOfTwo) {
  const std::vector<float> moments = SampleMoments(70, 200);
  const Factors factors = FactorsOf(moments, 70);
  for (const int exponent : {-90, -20, 30, 90}) {
    std::vector<float> scaled = moments;
    for (float& moment : scaled) moment = std::ldexp(moment, exponent);
    const Factors other = FactorsOf(scaled, 70);
    EXPECT_EQ(other.moments, factors.moments) << exponent;
    EXPECT_EQ(other.factor, factors.factor) << exponent;
  }
}

TEST(Factor, GivesInputsThatWereAlwaysZeroTheMean) {
  std::vector<float> moments(9);
  moments[0] = 3;
  moments[8] = 1.5F;
  const Factors factors = FactorsOf(moments, 3);
  const float mean = 1.5F;
  EXPECT_FLOAT_EQ(factors.moments[4], mean + 0.01F * mean);
  EXPECT_FLOAT_EQ(factors.factor[4], 1 / std::sqrt(mean + 0.01F * mean));
}

TEST(Factor, CountsAllInputsAlikeWhereAllMomentsAreZero) {
  const Factors factors = FactorsOf(std::vector<float>(100), 10);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_FLOAT_EQ(factors.moments[i], i % 11 == 0 ? 1.01F : 0.0F);
  }
}

TEST(MixMoments, CountsBothAlikeWhateverTheirSize) {
  const std::vector<float> small = {1, 0.5F, 0.5F, 3};
  const std::vector<float> large = {3e6F, -1e6F, -1e6F, 1e6F};
  const auto mixed = MixMoments(small, large, 2);
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  EXPECT_FLOAT_EQ((*mixed)[0], 0.25F + 0.75F);
  EXPECT_FLOAT_EQ((*mixed)[1], 0.125F - 0.25F);
  EXPECT_FLOAT_EQ((*mixed)[3], 0.75F + 0.25F);
}

TEST(MixMoments, TakesTheOtherWhereOneIsZero) {
  const std::vector<float> moments = {1, 0.5F, 0.5F, 3};
  const auto mixed = MixMoments(moments, std::vector<float>(4), 2);
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ((*mixed)[i], moments[i] / 4);
}

TEST(MixMoments, RefusesWhatIsNoSumOfProducts) {
  const std::vector<float> moments = {1, 0.5F, 0.5F, 3};
  EXPECT_FALSE(MixMoments(moments, std::vector<float>{1, 0, 0, -1}, 2).ok());
  EXPECT_FALSE(MixMoments(std::vector<float>(9), moments, 3).ok());
}

TEST(Factor, TakesTheMomentsOfASingleToken) {
  const Factors factors = FactorsOf(SampleMoments(150, 1), 150);
  EXPECT_EQ(factors.damping, 0.01);
  const Square u = InDouble(factors.factor, 150).transpose();
  const Square identity = u.transpose() * u * InDouble(factors.moments, 150);
  EXPECT_LT((identity - Square::Identity(150, 150)).norm(), 0.1);
}

TEST(Factor, RaisesADampingThatIsTooSmallAndSaysSo) {
  const absl::StatusOr<Factors> factors = Factor(SampleMoments(100, 3), 100, {0});
  ASSERT_TRUE(factors.ok()) << factors.status();
  EXPECT_GE(factors->damping, 1e-4);
  EXPECT_LE(factors->damping, 0.1);
  for (const float number : factors->factor) ASSERT_TRUE(std::isfinite(number));
}

TEST(Factor, ReadsTheUpperTriangleAlone) {
  std::vector<float> moments = SampleMoments(10, 50);
  const Factors factors = FactorsOf(moments, 10);
  for (std::size_t i = 0; i < 10; ++i) {
    for (std::size_t j = 0; j < i; ++j) moments[i * 10 + j] = 77;
  }
  EXPECT_EQ(FactorsOf(moments, 10).moments, factors.moments);
}

TEST(Factor, RefusesNumbersThatAreNotFinite) {
  for (const float wrong :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> moments = SampleMoments(5, 20);
    moments[7] = wrong;
    EXPECT_THAT(MessageOf(moments, 5), HasSubstr("in row 1, column 2, expected finite numbers"));
  }
}

TEST(Factor, RefusesANegativeSquare) {
  std::vector<float> moments = SampleMoments(5, 20);
  moments[12] = -1;
  EXPECT_THAT(MessageOf(moments, 5), HasSubstr("found -1 on the diagonal, row 2"));
}

TEST(Factor, RefusesSizesThatAreNotASquare) {
  const std::vector<float> moments(12);
  for (const std::int64_t k : {-3, 0, 3, 4, 12}) {
    EXPECT_THAT(MessageOf(moments, k), HasSubstr("found 12 numbers, expected")) << k;
  }
}

TEST(Factor, RefusesWhatNoDampingMakesASumOfSquares) {
  EXPECT_THAT(MessageOf({1.0F, 1e6F, 1e6F, 1.0F}, 2), HasSubstr("far from positive semidefinite"));
}

TEST(Factor, RefusesADampingThatIsNone) {
  for (const double damping : {-0.01, std::nan(""), 1e6}) {
    EXPECT_THAT(MessageOf({1.0F}, 1, {damping}), HasSubstr("damping of second moments: found"));
  }
}

}  // namespace
}  // namespace onnxquant::methods
