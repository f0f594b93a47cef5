#include "lib/checkpoint/graph_weights.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

TEST(GraphWeights, AreConstantsOfEightElementsAndMoreEachOnce) {
  const auto model =
      Model::FromProto(ParseModel("<ir_version: 10, opset_import: [\"\" : 21]>\n"
                                  "g (float[2, 4] x) => (float[2, 4] y)\n"
                                  "<float[4, 4] w, float[1, 8] v, float[4] few> {\n"
                                  "  a = MatMul(x, w)\n  b = MatMul(a, w)\n  c = Add(b, few)\n"
                                  "  d = ReduceSum(v)\n  y = Add(c, d)\n}"),
                       "m.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  const auto analysis = Analyze(model->proto(), "m.onnx");
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  const auto weights = FindGraphWeights(*analysis, *model);
  ASSERT_TRUE(weights.ok()) << weights.status();
  ASSERT_EQ(weights->size(), 2U);
  EXPECT_EQ((*weights)[0].name, "w");
  EXPECT_EQ((*weights)[0].ways.size(), 2U);
  EXPECT_EQ((*weights)[1].name, "v");
  EXPECT_EQ((*weights)[1].ways.size(), 1U);
}

TEST(Squeezed, LeavesOutAxesOfOneElement) {
  EXPECT_THAT(Squeezed({1, 3, 1, 2}), ElementsAre(3, 2));
}

}  // namespace
}  // namespace onnxquant
