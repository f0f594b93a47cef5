#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, ATransposeOfTheBatchIntoAConstantMatrixIsFusedWrongly) {
  Find(R"((float[n, m, 2] x, float[n, m, k, 2] z)
  => (float[m, n, 3] a, float[m, 2, 3] b, float[m, k, 2, 3] c, float[p, q, r] d)
<float[2, 3] w = {1, 2, 3, 4, 5, 6}> {
  ta = Transpose<perm = [1, 0, 2]>(x)
  a = MatMul(ta, w)
  tb = Transpose<perm = [1, 2, 0]>(x)
  b = MatMul(tb, w)
  tc = Transpose<perm = [1, 2, 3, 0]>(z)
  c = MatMul(tc, w)
  td = Transpose<perm = [1, 2, 0]>(x)
  d = MatMul(w, td)
})");
  EXPECT_THAT(With("transpose_fusion"), UnorderedElementsAre("ta", "tb", "tc", "td"));
  EXPECT_THAT(Why("transpose_fusion"), HasSubstr("'ta' moves the batch axis before MatMul 'a'"));
}

TEST_F(HazardsTest, OtherTransposesAndProductsAreFusedWell) {
  Find(R"((float[n, m, 2] x, float[2, k] v, float[2, n] s)
  => (float a, float b, float c, float d, float e, float f)
<float[2, 3] w = {1, 2, 3, 4, 5, 6}, float[1, 2, 1] cube = {1, 2}> {
  ta = Transpose<perm = [0, 2, 1]>(x)
  a = MatMul(ta, w)
  tb = Transpose<perm = [2, 0, 1]>(x)
  b = MatMul(tb, w)
  tc = Transpose<perm = [1, 0, 2]>(x)
  c = MatMul(tc, v)
  d = MatMul(tc, cube)
  te = Transpose<perm = [1, 0]>(s)
  e = MatMul(te, w)
  f = Add(tc, tc)
})");
  EXPECT_THAT(With("transpose_fusion"), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
