#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, AVarianceAsADifferenceTakesBothMeansAlong) {
  Find(R"((float[3, 8] x) => (float[3, 1] y) <float two = {2}> {
  mean = ReduceMean<axes = [-1]>(x)
  square = Pow(x, two)
  power = ReduceMean<axes = [-1]>(square)
  of_mean = Mul(mean, mean)
  y = Sub(power, of_mean)
})");
  EXPECT_THAT(With("cancellation"),
              UnorderedElementsAre("mean", "square", "power", "of_mean", "y"));
  EXPECT_THAT(Why("cancellation"), HasSubstr("a mean of products less a product of means"));
}

TEST_F(HazardsTest, ACovarianceOfFilteredPicturesIsOne) {
  Find(R"((float[1, 1, h, w] a, float[1, 1, h, w] b) => (float[1, 1, h, w] y)
<float[1, 1, 3, 3] window = {1, 2, 1, 2, 4, 2, 1, 2, 1}, float ninth = {0.0625}> {
  first = Conv(a, window)
  second = Conv(b, window)
  both = Mul(b, a)
  filtered = Conv(both, window)
  scaled = Mul(filtered, ninth)
  means = Mul(first, second)
  y = Sub(scaled, means)
})");
  EXPECT_THAT(With("cancellation"),
              UnorderedElementsAre("first", "second", "both", "filtered", "scaled", "means", "y"));
}

TEST_F(HazardsTest, AVarianceMayBeSpeltWithItsTermsTurnedOrNegated) {
  for (const char* difference :
       {"y = Sub(of_mean, power)", "minus = Neg(of_mean) y = Add(minus, power)"}) {
    Find(std::string(R"((float[3, 8] x) => (float[3, 1] y) {
  mean = ReduceMean<axes = [-1]>(x)
  square = Mul(x, x)
  power = ReduceMean<axes = [-1]>(square)
  of_mean = Mul(mean, mean)
  )") + difference +
         "\n}");
    EXPECT_THAT(With("cancellation"),
                testing::IsSupersetOf({"mean", "square", "power", "of_mean", "y"}));
  }
}

TEST_F(HazardsTest, ASampleVarianceCountsItsElements) {
  Find(R"((float[n, m] x) => (float[n, 1] y) <int64[1] last = {1}, int64 one = {1}> {
  shape = Shape(x)
  length = Gather(shape, one)
  count = Cast<to = 1>(length)
  sum = ReduceSum(x, last)
  mean = Div(sum, count)
  square = Mul(x, x)
  squares = ReduceSum(square, last)
  product = Mul(sum, mean)
  y = Sub(squares, product)
})");
  EXPECT_THAT(With("cancellation"),
              UnorderedElementsAre("sum", "mean", "square", "squares", "product", "y"));
}

TEST_F(HazardsTest, TheWidthOfABoxLosesTheGridsPointThatBothSidesHave) {
  Find(R"((float[n, 2] near, float[n, 2] far) => (float[n, 2] y, float[n, 2] z)
<float[1, 2] points = {1000, 1001}, float stride = {8}> {
  low = Sub(points, near)
  left = Mul(low, stride)
  high = Add(far, points)
  right = Mul(high, stride)
  y = Sub(right, left)
  other = Add(near, far)
  z = Sub(other, low)
})");
  EXPECT_THAT(With("cancellation"), UnorderedElementsAre("low", "left", "high", "right", "y"));
  EXPECT_THAT(Why("cancellation"), HasSubstr("'points' is a term of both of which 'y'"));
}

TEST_F(HazardsTest, ADifferenceOfOtherThingsIsNoCancellation) {
  Find(R"((float[3, 8] x, float[3, 8] z) => (float[3, 1] y) {
  mean = ReduceMean<axes = [-1]>(z)
  square = Mul(x, x)
  power = ReduceMean<axes = [-1]>(square)
  of_mean = Mul(mean, mean)
  y = Sub(power, of_mean)
})");
  EXPECT_THAT(With("cancellation"), IsEmpty());
}

TEST_F(HazardsTest, AVarianceOfWeightedSumsIsOneHoweverItsFactorsStand) {
  for (const char* products : {"wx = Mul(w, x) wxx = Mul(wx, x)",
                               "xx = Mul(x, x) wx = Mul(x, w) "
                               "wxx = Mul(w, xx)"}) {
    Find(std::string(R"((float[3, 8] x, float[3, 8] scores) => (float[3, 1] y)
<int64[1] last = {-1}> {
  w = Softmax<axis = -1>(scores)
  )") + products +
         R"(
  mean = ReduceSum(wx, last)
  power = ReduceSum(wxx, last)
  of_mean = Mul(mean, mean)
  y = Sub(power, of_mean)
})");
    EXPECT_THAT(With("cancellation"),
                testing::IsSupersetOf({"wx", "wxx", "mean", "power", "of_mean", "y"}));
    EXPECT_THAT(With("cancellation"), testing::Not(testing::Contains("w")));
  }
}

TEST_F(HazardsTest, MeansThatAMatrixTakesAndProductsOfMatricesAreMoments) {
  Find(R"((float[3, 2] x) => (float[3, 1] y, float[2, 2] z)
<float[2, 1] half = {0.5, 0.5}, float share = {0.333}> {
  square = Mul(x, x)
  power = MatMul(square, half)
  mean = MatMul(x, half)
  of_mean = Mul(mean, mean)
  y = Sub(power, of_mean)
  turned = Transpose<perm = [1, 0]>(x)
  sums = MatMul(turned, x)
  moments = Mul(sums, share)
  centre = ReduceMean<axes = [0]>(x)
  centres = Gemm<transA = 1>(centre, centre)
  z = Sub(moments, centres)
})");
  EXPECT_THAT(With("cancellation"),
              UnorderedElementsAre("square", "power", "mean", "of_mean", "y", "sums", "moments",
                                   "centre", "centres", "z"));
}

TEST_F(HazardsTest, WhatMakesTheXOfAVarianceIsNoPartOfIt) {
  Find(R"((float[3, 8] a, float[3, 8] b) => (float[3, 1] y) {
  x = Mul(a, b)
  mean = ReduceMean<axes = [-1]>(x)
  square = Mul(x, x)
  power = ReduceMean<axes = [-1]>(square)
  of_mean = Mul(mean, mean)
  y = Sub(power, of_mean)
})");
  EXPECT_THAT(With("cancellation"),
              UnorderedElementsAre("mean", "square", "power", "of_mean", "y"));
}

TEST_F(HazardsTest, ADifferenceOfSumsOfOtherThingsIsNone) {
  Find(R"((float[3, 8] a, float[3, 8] b) => (float[3, 1] y) {
  square = Mul(a, a)
  power = ReduceMean<axes = [-1]>(square)
  mean = ReduceMean<axes = [-1]>(b)
  of_mean = Mul(mean, mean)
  y = Sub(power, of_mean)
})");
  EXPECT_THAT(With("cancellation"), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
