#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, AProductBeyondTheRangeTakesItsReadersAlongUpToALogarithm) {
  Find(R"((float[2] x) => (float[2] y, float[2] b) <float large = {1048576}, float one = {1}> {
  product = Mul(x, large)
  axis = Constant<value = int64[1] {0}>()
  wide = Unsqueeze(product, axis)
  sum = Add(wide, one)
  log = Log(sum)
  y = Relu(log)
  b = Sigmoid(product)
})");
  EXPECT_THAT(With("large_constant"), UnorderedElementsAre("product", "wide", "sum", "log", "b"));
  EXPECT_THAT(hazards_.back().why, HasSubstr("what Mul 'product' multiplies by the constant"));
}

TEST_F(HazardsTest, AProductThatIsDividedByAsMuchEndsThere) {
  Find(R"((float[2] x) => (float[2] y, float[2] z)
<float large = {1e6}, float small = {0.001}, float thousand = {1000}> {
  product = Mul(x, large)
  less = Div(product, thousand)
  y = Relu(less)
  again = Mul(product, small)
  z = Relu(again)
})");
  EXPECT_THAT(With("large_constant"), UnorderedElementsAre("product", "less", "again"));
}

TEST_F(HazardsTest, QuotientsAndMasksTakeNothingAlong) {
  Find(R"((float[2] x, float[2] mask) => (float[2] y, float[2] z)
<float large = {1e6}, float fill = {-1e9}> {
  quotient = Div(x, large)
  y = Relu(quotient)
  filled = Mul(mask, fill)
  z = Add(filled, x)
})");
  EXPECT_THAT(With("large_constant"), UnorderedElementsAre("quotient"));
}

}  // namespace
}  // namespace onnxquant
