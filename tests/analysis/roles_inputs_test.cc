#include "tests/analysis/roles_fixture.h"

namespace onnxquant {
namespace {

using RolesInputsTest = RolesTest;

TEST_F(RolesInputsTest, WhatIsAddedToScoresIsAMask) {
  Load(std::string(kRolesHead) + R"(
g (float[b, s, 8] q, float[b, s, 8] k, int64[b, s] seen, int64[b, s] other) => (float[b, s, 8] z)
<float least = {-10000}, float one = {1}, int64[1] axis = {1}> {
  kt = Transpose<perm = [0, 2, 1]>(k)
  [scores] s = MatMul(q, kt)
  m = Cast<to = 1>(seen)
  hidden = Sub(one, m)
  low = Mul(hidden, least)
  wide = Unsqueeze(low, axis)
  masked = Add(s, wide)
  p = Softmax(masked)
  z = MatMul(p, k)
})");
  EXPECT_EQ(ValueRole("seen"), Role::kMask);
  EXPECT_EQ(ValueRole("other"), Role::kNone);
  EXPECT_EQ(ValueRole("q"), Role::kNone);
}

TEST_F(RolesInputsTest, AnglesComeFromPositions) {
  Load(std::string(kRolesHead) + R"(
g (int64[b, s] places) => (float[b, s] z) <float step> {
  f = Cast<to = 1>(places)
  a = Mul(f, step)
  z = Sin(a)
})");
  EXPECT_EQ(ValueRole("places"), Role::kPosition);
}

TEST_F(RolesInputsTest, AStreamThatIsHandedOutIsCalledSo) {
  Load(std::string(kRolesHead) + R"(
g (float[n, 8] x) => (float[n, 8] y, float[n, 8] z) <float[8, 8] w, float[8, 8] v> {
  a = MatMul(x, w)
  [sum] y = Add(x, a)
  b = MatMul(y, v)
  z = Relu(b)
})");
  EXPECT_EQ(ValueRole("y"), Role::kResidual);
  EXPECT_EQ(ValueRole("z"), Role::kNone);
}

TEST_F(RolesInputsTest, TokensAreNoPositionsThoughPositionsAreCountedFromThem) {
  Load(std::string(kRolesHead) + R"(
g (int64[b, s] ids) => (float[b, s, 8] y)
<float[64, 8] words, float[32, 8] places, int64 pad = {0}, int64 axis = {1}> {
  [words] a = Gather(words, ids)
  same = Equal(ids, pad)
  other = Not(same)
  ones = Cast<to = 7>(other)
  count = CumSum(ones, axis)
  [places] b = Gather(places, count)
  y = Add(a, b)
})");
  EXPECT_EQ(At("places").role, Role::kPosition);
  EXPECT_EQ(ValueRole("ids"), Role::kNone);
}

}  // namespace
}  // namespace onnxquant
