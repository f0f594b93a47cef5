#include <string>
#include <utility>

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

TEST_F(HazardsTest, AnEpsilonMayBeComputedSpreadOrAddedTo) {
  for (const auto& [epsilon, maker] :
       {std::pair("epsilon = Pow(ten, minus_eight)", "epsilon"),
        std::pair("small = Mul(tiny, tiny) epsilon = Identity(small)", "small"),
        std::pair("shape = Shape(x) epsilon = Expand(eps, shape)", "epsilon")}) {
    Find(std::string(R"((float[3, 8] x) => (float[3, 8] y)
<float ten = {10}, float minus_eight = {-8}, float tiny = {1e-4}, float eps = {1e-8}> {
  )") + epsilon +
         R"(
  kept = Add(x, epsilon)
  sum = ReduceSum(kept)
  y = Div(x, sum)
})");
    EXPECT_THAT(With("small_eps"), testing::IsSupersetOf({maker, "kept", "sum", "y"})) << epsilon;
  }
}

}  // namespace
}  // namespace onnxquant
