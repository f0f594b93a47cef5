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

}  // namespace
}  // namespace onnxquant
