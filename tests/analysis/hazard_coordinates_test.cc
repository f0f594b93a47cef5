#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/analysis/hazards_fixture.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST_F(HazardsTest, BoxesAreComparedWhereTheyAreAndNotWhereANetworkMakesThem) {
  Find(
      R"((float[6, 64] raw, int64[6] classes, float[1, 1, 6] scores, float[64, 4] w) => (int64[k, 3] y)
<int64[1] last = {1}, int64[1] first = {0}, float size = {1280}> {
  layer = MatMul(raw, w)
  parts = Sigmoid(layer)
  boxes = Mul(parts, size)
  numbers = Cast<to = 1>(classes)
  column = Unsqueeze(numbers, last)
  offsets = Mul(column, size)
  shifted = Add(boxes, offsets)
  batch = Unsqueeze(shifted, first)
  y = NonMaxSuppression(batch, scores)
})");
  EXPECT_THAT(With("coordinates"), UnorderedElementsAre("parts", "boxes", "numbers", "column",
                                                        "offsets", "shifted", "batch", "y"));
  EXPECT_THAT(Why("coordinates"), HasSubstr("NonMaxSuppression 'y' compares the boxes 'batch'"));
}

TEST_F(HazardsTest, AFlowMovesPositionsAtWhichAPictureIsSampled) {
  Find(R"((float[1, 3, h, w] picture, float[1, 3, h, w] features, float[2, 3, 1, 1] filters)
=> (float[1, 3, h, w] y) <float[1, 2, 1, 1] grid = {0, 0}, float width = {639}> {
  flow = Conv(features, filters)
  moved = Add(grid, flow)
  scaled = Div(moved, width)
  positions = Transpose<perm = [0, 2, 3, 1]>(scaled)
  y = GridSample(picture, positions)
})");
  EXPECT_THAT(With("coordinates"), UnorderedElementsAre("moved", "scaled", "positions", "y"));
}

TEST_F(HazardsTest, OperatorsOfTheRuntimeSampleAtPositionsToo) {
  onnx::ModelProto model =
      ParseModel(R"(<ir_version: 10, opset_import: ["" : 17, "com.microsoft" : 1]>
g (float[1, 3, 8, 8] x, float[1, 4, 4, 2] flow, float[2, 4] boxes, int32[2] of, int32[2] size)
=> (float[1, 3, 4, 4] y, float[2, 3, h, w] z) <float scale = {0.01}> {
  grid = Mul(flow, scale)
  y = com.microsoft.GridSample(x, grid)
  rois = Mul(boxes, scale)
  z = com.microsoft.CropAndResize(x, rois, of, size)
})");
  FindIn(std::move(model));
  EXPECT_THAT(With("coordinates"), testing::UnorderedElementsAre("grid", "y", "rois", "z"));
}

}  // namespace
}  // namespace onnxquant
