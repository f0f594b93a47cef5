#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, ATangentSpeltByExponentialsDividesInfinities) {
  Find(R"((float[n] x) => (float[n] y) {
  minus = Neg(x)
  up = Exp(x)
  down = Exp(minus)
  difference = Sub(up, down)
  sum = Add(up, down)
  y = Div(difference, sum)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("up", "down", "difference", "sum", "y"));
}

TEST_F(HazardsTest, WeightedSumsOfExponentialsAreDividedByTheirSum) {
  Find(R"((float[n, t, 8] k, float[n, t, 8] v) => (float[n, 8] y) <int64[1] time = {1}> {
  weights = Exp(k)
  products = Mul(weights, v)
  above = ReduceSum<keepdims = 0>(products, time)
  below = ReduceSum<keepdims = 0>(weights, time)
  y = Div(above, below)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("weights", "products", "above", "below", "y"));
}

TEST_F(HazardsTest, TheLogarithmOfTwoExponentialsIsOne) {
  Find(R"((float[n] a, float[n] b) => (float[n] y) {
  first = Exp(a)
  second = Exp(b)
  sum = Add(first, second)
  y = Log(sum)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("first", "second", "sum", "y"));
}

TEST_F(HazardsTest, AReciprocalOfASumMeetsItsExponential) {
  Find(R"((float[n, 8] x) => (float[n, 8] y) <int64[1] last = {1}> {
  exp = Exp(x)
  sum = ReduceSum(exp, last)
  inverse = Reciprocal(sum)
  y = Mul(exp, inverse)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("exp", "sum", "inverse", "y"));
}

TEST_F(HazardsTest, AStateAndATokensExponentialAreDividedByTheirWeights) {
  Find(R"((float[n] k, float[n] v, float[n] above, float[n] below) => (float[n] y) {
  weight = Exp(k)
  value = Mul(weight, v)
  top = Add(above, value)
  bottom = Add(below, weight)
  y = Div(top, bottom)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("weight", "value", "top", "bottom", "y"));
}

TEST_F(HazardsTest, TheReciprocalOfAnExponentialIsOne) {
  Find(R"((float[n] x) => (float[n] y) {
  up = Exp(x)
  down = Reciprocal(up)
  difference = Sub(up, down)
  sum = Add(up, down)
  y = Div(difference, sum)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("up", "down", "difference", "sum", "y"));
}

TEST_F(HazardsTest, ASwishDividesByAnInfinityAndIsRight) {
  Find(R"((float[n] x) => (float[n] y) <float one = {1}> {
  minus = Neg(x)
  exp = Exp(minus)
  more = Add(exp, one)
  y = Div(x, more)
})");
  EXPECT_THAT(With("exp_sum"), IsEmpty());
}

TEST_F(HazardsTest, WhatASpeltSoftmaxWeighsIsNoSumOfExponentials) {
  Find(R"((float[n, 8, 8] x, float[n, 8, 4] v) => (float[n, 8, 4] y) <int64[1] last = {2}> {
  max = ReduceMax<axes = [-1]>(x)
  below = Sub(x, max)
  exp = Exp(below)
  sum = ReduceSum(exp, last)
  shares = Div(exp, sum)
  y = MatMul(shares, v)
})");
  EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("exp", "sum", "shares"));
}

TEST_F(HazardsTest, ExponentialsMayBeSummedByMagnitudesScattersPoolsAndOnes) {
  for (const char* sum : {"s = ReduceL1<axes = [-1]>(e)", "s = MatMul(e, ones)",
                          "s = Gemm(e, ones)", "s = GlobalAveragePool(e)",
                          "s = ScatterElements<axis = 0, reduction = \"add\">(zeros, to, e)"}) {
    Find(std::string(R"((float[4, 2] x, int64[4, 2] to, float[4, 2] zeros) => (float[n, m] y)
<float[2, 1] ones = {1, 1}> {
  e = Exp(x)
  )") + sum +
         "\n  y = Div(e, s)\n}");
    EXPECT_THAT(With("exp_sum"), UnorderedElementsAre("e", "s", "y")) << sum;
  }
}

TEST_F(HazardsTest, AScatterThatReplacesAndALayerSumNoExponentials) {
  for (const char* other : {"y = ScatterElements<axis = 0>(zeros, to, e)", "y = MatMul(e, w)"}) {
    Find(std::string(R"((float[4, 2] x, int64[4, 2] to, float[4, 2] zeros) => (float[4, 2] y)
<float[2, 2] w = {1, 2, 3, 4}> {
  e = Exp(x)
  )") + other +
         "\n}");
    EXPECT_THAT(With("exp_sum"), IsEmpty()) << other;
  }
}

TEST_F(HazardsTest, APowerOfAConstantIsAnExponentialAndOneOfOneIsNone) {
  for (const auto& [base, found] : {std::pair("2", true), std::pair("1", false)}) {
    Find(std::string("(float[4, 8] x) => (float[4, 8] y) <float base = {") + base +
         R"(}, int64[1] last = {-1}> {
  e = Pow(base, x)
  s = ReduceSum(e, last)
  y = Div(e, s)
})");
    EXPECT_EQ(With("exp_sum").size(), found ? 3U : 0U);
  }
}

}  // namespace
}  // namespace onnxquant
