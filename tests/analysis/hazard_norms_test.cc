#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, AProductWithItselfIsASumOfSquares) {
  for (const char* sum : {"sum = Einsum<equation = \"nd,nd->n\">(x, x)",
                          "turned = Transpose<perm = [1, 0]>(x) sum = MatMul(x, turned)"}) {
    Find(std::string("(float[3, 8] x) => (float[3, 8] y) {\n  ") + sum + R"(
  root = Sqrt(sum)
  y = Div(x, root)
})");
    EXPECT_THAT(With("decomposed_norm"), UnorderedElementsAre("sum", "root", "y")) << sum;
  }
}

TEST_F(HazardsTest, QueriesAndKeysOfOneProductAreNoSquares) {
  Find(R"((float[3, 16] x) => (float[3, 3] y) {
  q, k = Split<axis = 1>(x)
  turned = Transpose<perm = [1, 0]>(k)
  scores = MatMul(q, turned)
  root = Sqrt(scores)
  y = Div(scores, root)
})");
  EXPECT_THAT(With("decomposed_norm"), IsEmpty());
}

TEST_F(HazardsTest, WhatTwoLengthsDivideBelongsToThem) {
  for (const char* quotient :
       {"both = MatMul(na, nb) y = Div(dots, both)", "half = Div(dots, na) y = Div(half, nb)",
        "both = Mul(na, nb) inverse = Reciprocal(both) y = Mul(inverse, dots)"}) {
    Find(std::string(R"((float[n, 8] a, float[8, m] b) => (float[n, m] y) {
  na = ReduceL2<axes = [1]>(a)
  nb = ReduceL2<axes = [0]>(b)
  dots = MatMul(a, b)
  )") + quotient +
         "\n}");
    EXPECT_THAT(With("decomposed_norm"), Contains("dots")) << quotient;
  }
}

TEST_F(HazardsTest, WhatOneLengthDividesIsALayers) {
  Find(R"((float[n, 8] a, float[8, 8] b) => (float[n, 8] y) {
  x = MatMul(a, b)
  length = ReduceL2<axes = [1]>(x)
  y = Div(x, length)
})");
  EXPECT_THAT(With("decomposed_norm"), Not(Contains("x")));
}

}  // namespace
}  // namespace onnxquant
