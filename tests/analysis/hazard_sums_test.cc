#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, AveragesOfPicturesOfOpenSizeAreLong) {
  Find(R"((float[1, 3, h, w] image, float[1, 3, 4, 4, n] volume)
  => (float[1, 3, 1, 1] a, float[1, 3, 1, 1] b, float[1, 3, 1, 1] c, float d, float[1, 3, 1, 1] e) {
  a = GlobalAveragePool(image)
  b = ReduceMean<axes = [2, 3]>(image)
  c = ReduceMean<axes = [-1, -2]>(image)
  d = ReduceL2<axes = [2, 3, 4], keepdims = 0>(volume)
  features = Relu(image)
  e = GlobalAveragePool(features)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(Why("long_reduction"), HasSubstr("the picture 'image' of no known size"));
}

TEST_F(HazardsTest, SmallPicturesAreNotLongAndOpenAxesAre) {
  Find(R"((float[n, 3, 7, 7] image, float[b, s, d] text, float[b, h, w, 8] last)
  => (float[n, 3, 1, 1] a, float[n, 3, 1, 1] b, float[b, s, 1] c, float[b, 1, 1, 8] d) {
  a = GlobalAveragePool(image)
  b = ReduceMean<axes = [2, 3]>(image)
  c = ReduceMean<axes = [-1]>(text)
  d = ReduceMean<axes = [1, 3]>(last)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("c", "d"));
}

TEST_F(HazardsTest, TheBatchAndFeaturesOfKnownLengthAreNotLong) {
  Find(R"((float[b, s, 64] text) => (float[1, s, 64] a, float[b, s, 1] b) {
  first = Constant<value = int64[1] {0}>()
  a = ReduceSum<keepdims = 1>(text, first)
  b = ReduceMean<axes = [-1]>(text)
})");
  EXPECT_THAT(With("long_reduction"), IsEmpty());
}

TEST_F(HazardsTest, AShapeThatFollowsFromOthersTellsOfAnOpenAxis) {
  Find(R"((float[b, s, 64] text) => (float[b, 64] y) <int64[1] sequence = {1}> {
  h = Relu(text)
  sum = ReduceSum<keepdims = 0>(h, sequence)
  count = ReduceSum<keepdims = 0>(text, sequence)
  y = Div(sum, count)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("sum", "count", "y"));
}

TEST_F(HazardsTest, AProductAlongAnOpenAxisIsLongUnlessItsWeightsAreShares) {
  Find(
      R"((float[b, 8, s] k, float[b, s, 8] v, float[b, 8, s] scores) => (float[b, 8, 8] a, float[b, 8, 8] c) {
  a = MatMul(k, v)
  shares = Softmax<axis = -1>(scores)
  c = MatMul(shares, v)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a"));
}

TEST_F(HazardsTest, AnAveragePoolIsAsLongAsItsWindow) {
  Find(R"((float[1, 3, h, w] image) => (float[1, 3, p, q] a, float[1, 3, r, s] b) {
  a = AveragePool<kernel_shape = [64, 64]>(image)
  b = AveragePool<kernel_shape = [3, 3]>(image)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a"));
  EXPECT_THAT(Why("long_reduction"), HasSubstr("'a' reduces 4096 elements of 'image'"));
}

// What a damaged model says must not overflow on the way. (The sanitizer of undefined behaviour
// sees the axes that do.)
TEST_F(HazardsTest, AxesAndWindowsMayBeAnyNumber) {
  Find(R"((float[1, 3, h, w] image) => (float[1, 3, p, q] a) {
  a = AveragePool<kernel_shape = [1099511627776, 1099511627776]>(image)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("a"));
  Find(R"((float[1, 3, h, w] image, float[4] x)
  => (float a, float b, float[4] c)
  <float[2] far = {-6.9e23, 1e30}, float run = {1e30}> {
  a = ReduceLogSum(image, far)
  b = ReduceMean<axes = [-9223372036854775807, 9223372036854775807]>(image)
  c = CumSum(x, run)
})");
  EXPECT_THAT(With("long_reduction"), UnorderedElementsAre("c"));  // of no known length
}

}  // namespace
}  // namespace onnxquant
