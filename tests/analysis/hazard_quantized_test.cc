#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, TheSumsOfIntegerProductsAreScaledInFull) {
  Find(
      R"((uint8[2, 4] x, float scale) => (float[2, 3] y, float[2, 3] z) <uint8[4, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}> {
  product = MatMulInteger(x, w)
  sums = Cast<to = 1>(product)
  y = Mul(sums, scale)
  z = Relu(y)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("sums", "y"));
}

TEST_F(HazardsTest, IntegerSumsAreFollowedThroughTheirBiasAndShape) {
  Find(R"((uint8[1, 1, 4, 4] x, int32[1] bias, float scale) => (float[1, 4, 4, 1] y)
<uint8[1, 1, 1, 1] w = {3}, int64[4] shape = {1, 1, 1, 1}> {
  product = ConvInteger(x, w)
  wide = Reshape(bias, shape)
  sum = Add(product, wide)
  moved = Transpose<perm = [0, 2, 3, 1]>(sum)
  sums = Cast<to = 1>(moved)
  flat = Identity(sums)
  y = Mul(flat, scale)
})");
  EXPECT_THAT(With("integer_arithmetic"), UnorderedElementsAre("sums", "flat", "y"));
  EXPECT_THAT(Why("integer_arithmetic"), HasSubstr("the integer sums 'product'"));
}

TEST_F(HazardsTest, ScalesAndWhatIsRoundedInTheirUnitsKeepTheirDigits) {
  Find(R"((float[2, 4] x, float[3] bias) => (float other, int32[3] b)
<float weight_scale = {0.003}> {
  xq, scale, zero = DynamicQuantizeLinear(x)
  product_scale = Mul(scale, weight_scale)
  quotient = Div(bias, product_scale)
  whole = Floor(quotient)
  b = Cast<to = 6>(whole)
  other = Add(scale, weight_scale)
})");
  EXPECT_THAT(With("integer_arithmetic"),
              UnorderedElementsAre("product_scale", "quotient", "whole", "b"));
}

TEST_F(HazardsTest, OtherProductsQuotientsAndCastsAreNone) {
  Find(R"((float[2, 4] x, float[2, 4] z, float scale, uint8[2] small, int32[2] n)
  => (float[2, 4] y, float[2, 4] q, float[2] s, float[2] t) {
  xq, unused, zero = DynamicQuantizeLinear(x)
  y = Mul(x, scale)
  q = Div(z, scale)
  sf = Cast<to = 1>(small)
  s = Mul(sf, scale)
  m = Add(n, n)
  mf = Cast<to = 1>(m)
  t = Mul(mf, scale)
})");
  EXPECT_THAT(With("integer_arithmetic"), IsEmpty());
}

}  // namespace
}  // namespace onnxquant
