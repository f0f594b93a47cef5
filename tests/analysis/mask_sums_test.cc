#include "lib/analysis/mask_sums.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class MaskSumsTest : public ::testing::Test {
 protected:
  std::map<std::string, double> Limits(const std::string& text) {
    const onnx::ModelProto model =
        ParseModel("<ir_version: 10, opset_import: [\"\" : 17, \"com.microsoft\" : 1]>\ng " + text);
    const auto graph = Graph::Build(model, "m.onnx");
    EXPECT_TRUE(graph.ok()) << graph.status();
    std::map<std::string, double> limits;
    for (const auto& [value, limit] : FindMaskLimits(*graph, *InferTypes(*graph, "m.onnx"))) {
      limits[graph->value(value).name] = limit.limit;
      why_ = limit.why;
    }
    return limits;
  }

  std::string why_;
};

TEST_F(MaskSumsTest, TwoFillsThatMeetShareTheRange) {
  EXPECT_THAT(Limits(R"((float[n, 2, 2] scores, float[n, 1, 2] shown) => (float[n, 2, 2] y)
<float[2, 2] causal = {0, -1e9, 0, 0}, float hidden = {-3e38}, float one = {1}> {
  inverse = Sub(one, shown)
  padding = Mul(inverse, hidden)
  first = Add(scores, causal)
  masked = Add(first, padding)
  y = Softmax<axis = -1>(masked)
})"),
              ElementsAre(Pair("causal", 28672), Pair("hidden", 28672)));
  EXPECT_EQ(why_, "2 fills of masks are added on the way to Softmax 'y'");
}

TEST_F(MaskSumsTest, OneFillLeavesRoomForScoresAndASelectionNeedsNone) {
  EXPECT_THAT(Limits(R"((float[n, 2, 2] scores, bool[n, 2, 2] hidden) => (float[n, 2, 2] y)
<float fill = {-3e38}, float zero = {0}> {
  mask = Where(hidden, fill, zero)
  masked = Add(scores, mask)
  y = Softmax<axis = -1>(masked)
})"),
              ElementsAre(Pair("fill", 57344)));
  EXPECT_THAT(Limits(R"((float[n, 2, 2] scores, bool[n, 2, 2] hidden) => (float[n, 2, 2] y)
<float fill = {-3e38}> {
  masked = Where(hidden, fill, scores)
  y = Softmax<axis = -1>(masked)
})"),
              ElementsAre(Pair("fill", 65504)));
  EXPECT_EQ(why_, "a fill of a mask reaches Softmax 'y'");
}

TEST_F(MaskSumsTest, FillsThatANodeMakesAndMasksOfKernelsCount) {
  EXPECT_THAT(
      Limits(
          R"((float[1, 2, 8] q, float[1, 2, 8] k, float[1, 2, 8] v, int64[2] size, int64 diagonal)
=> (float[1, 2, 8] y) {
  filled = ConstantOfShape<value = float[1] {-1e9}>(size)
  mask = Trilu<upper = 1>(filled, diagonal)
  y = com.microsoft.MultiHeadAttention<num_heads = 2>(q, k, v, , , mask)
})"),
      ElementsAre(Pair("filled", 57344)));
}

TEST_F(MaskSumsTest, WhatNoSoftmaxReadsIsNoMask) {
  EXPECT_THAT(Limits(R"((float[2, 2] x) => (float[2, 2] y) <float[2, 2] large = {0, 1e9, 0, 0}> {
  y = Add(x, large)
})"),
              IsEmpty());
}

TEST_F(MaskSumsTest, AFillThatABranchMakesMeetsOthersBehindTheIf) {
  EXPECT_THAT(
      Limits(R"((float[n, 2, 2] scores, float[n, 1, 2] shown, bool any) => (float[n, 2, 2] y)
<float[2, 2] causal = {0, -1e9, 0, 0}, float hidden = {-3e38}, float zero = {0}> {
  padding = If (any) <
    then_branch = a () => (float[n, 1, 2] filled) { filled = Mul(shown, hidden) },
    else_branch = b () => (float[n, 1, 2] bare) { bare = Mul(shown, zero) }>
  first = Add(scores, causal)
  masked = Add(first, padding)
  y = Softmax<axis = -1>(masked)
})"),
      ElementsAre(Pair("causal", 28672), Pair("hidden", 28672)));
}

}  // namespace
}  // namespace onnxquant
