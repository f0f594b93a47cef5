#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, ALogarithmTakesAPowerSpectrumAlongFromItsTransform) {
  Find(R"((float[1, 1, n] sound) => (float[1, m, 2] y)
<float[3, 1, 2] cosines = {1, 2, 3, 4, 5, 6}, float[3, 1, 2] sines = {1, 2, 3, 4, 5, 6},
 float[3, 2] bands = {1, 2, 3, 4, 5, 6}, float two = {2}, float floor = {0.0001}, float ten = {10}> {
  re = Conv(sound, cosines)
  im = Conv(sound, sines)
  ret = Transpose<perm = [0, 2, 1]>(re)
  imt = Transpose<perm = [0, 2, 1]>(im)
  re2 = Pow(ret, two)
  im2 = Mul(imt, imt)
  power = Add(re2, im2)
  mel = MatMul(power, bands)
  safe = Clip(mel, floor)
  log = Log(safe)
  y = Mul(log, ten)
})");
  EXPECT_THAT(With("near_zero"),
              UnorderedElementsAre("re", "im", "re2", "im2", "power", "mel", "safe", "log"));
  EXPECT_THAT(Why("near_zero"), HasSubstr("Log 'log' is taken of a power"));
  EXPECT_THAT(With("spectrum"), UnorderedElementsAre("re", "im", "mel"));
  EXPECT_THAT(Why("spectrum"), HasSubstr("Log 'log' is taken of the power of what it makes"));
}

TEST_F(HazardsTest, AMagnitudeLeavesItsTransformInFloat16) {
  Find(R"((float[1, 1, n] sound) => (float[1, 3, m] y, float[1, 1, m] z)
<float[3, 1, 2] cosines = {1, 2, 3, 4, 5, 6}, float[1, 3, 1] mix = {1, 2, 3}, float half = {0.5},
 float zero = {0}> {
  re = Conv(sound, cosines)
  square = Mul(re, re)
  scaled = Mul(square, half)
  safe = Max(scaled, zero)
  y = Sqrt(safe)
  moved = Identity(y)
  mixed = Conv(moved, mix)
  z = Conv(mixed, half)
})");
  EXPECT_THAT(With("near_zero"), UnorderedElementsAre("square", "scaled", "safe", "y"));
  EXPECT_THAT(With("spectrum"), UnorderedElementsAre("re", "mixed"));
}

TEST_F(HazardsTest, AProjectionThatANormDividesMakesNoSpectrum) {
  Find(R"((float[2, 3] x) => (float[2, 2] y)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}, float two = {2}, float eps = {0.0001}> {
  q = MatMul(x, w)
  square = Pow(q, two)
  mean = ReduceMean<axes = [1]>(square)
  safe = Add(mean, eps)
  root = Sqrt(safe)
  y = Div(q, root)
})");
  EXPECT_THAT(With("spectrum"), IsEmpty());
}

TEST_F(HazardsTest, WhatIsNoPowerStaysOutOfALogarithm) {
  Find(R"((float[2, 3] x, float[2, 3] z) => (float[2, 2] y, float[2, 3] b)
<float[3, 2] w = {1, 2, 3, 4, 5, 6}, float floor = {0.0001}> {
  product = Mul(x, z)
  sum = Add(product, x)
  mel = MatMul(sum, w)
  safe = Clip(mel, floor)
  y = Log(safe)
  square = Mul(x, x)
  unrelated = Relu(square)
  bounded = Clip(unrelated, floor)
  b = Log(bounded)
})");
  EXPECT_THAT(With("near_zero"), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
