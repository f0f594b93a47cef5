#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, AnEquationAlongAnOpenAxisIsLongUnlessOneOperandIsShares) {
  Find(R"((float[b, s, 8] k, float[b, s, 8] v, float[b, s, 8] scores)
=> (float[b, 8, 8] a, float[b, 8, 8] c, float[b, s, s] d, float[b, 8, 8] e) {
  a = Einsum<equation = "btd,bte->bde">(k, v)
  shares = Softmax<axis = 1>(scores)
  c = Einsum<equation = "btd,bte->bde">(shares, v)
  d = Einsum<equation = "bid,bjd->bij">(k, v)
  e = Einsum<equation = "...td, ...te -> ...de">(k, v)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a", "e"));
}

TEST_F(HazardsTest, AReshapeThatJoinsOpenAxesMakesALongOne) {
  Find(R"((float[b, 8, h, w] x, float[b, n, 8] y) => (float[b, 8, 8] a, float[b, m, m] c)
<int64[3] flat = {0, 8, -1}, int64[3] heads = {-1, 2, 4}> {
  k = Reshape(x, flat)
  turned = Transpose<perm = [0, 2, 1]>(k)
  a = MatMul(k, turned)
  parts = Reshape(y, heads)
  other = Transpose<perm = [0, 2, 1]>(parts)
  c = MatMul(parts, other)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a"));
}

TEST_F(HazardsTest, AGemmOfAsManyRowsAsTheModelLikesIsLongAndALayerIsNot) {
  Find(R"((float[t, 8] k, float[t, 8] v, float[n, 4096] x, float[4096, 8] w)
=> (float[8, 8] a, float[n, 8] b) {
  a = Gemm<transA = 1>(k, v)
  b = Gemm(x, w)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a"));
}

TEST_F(HazardsTest, ASumIsLargeUntilAnInverseShrinksIt) {
  Find(R"((float[b, s, 8] x, float[b, s, 1] m) => (float[b, 8] y) <int64[1] sequence = {1}> {
  sum = ReduceSum<keepdims = 0>(x, sequence)
  count = ReduceSum<keepdims = 0>(m, sequence)
  inverse = Reciprocal(count)
  y = Mul(sum, inverse)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("sum", "count", "inverse", "y"));
}

}  // namespace
}  // namespace onnxquant
