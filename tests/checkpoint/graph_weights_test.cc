#include "lib/checkpoint/graph_weights.h"

#include <string>

#include "absl/strings/str_cat.h"
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

TEST(GraphWeights, ScalesBelongToCodesWhichAreCounted) {
  std::string codes = "0";
  for (int i = 1; i < 32; ++i) absl::StrAppend(&codes, ", ", i % 7);
  const auto model = Model::FromProto(
      ParseModel(absl::StrCat("<ir_version: 10, opset_import: [\"\" : 21]>\n"
                              "g (float[2, 4] x) => (float[2, 8] y)\n"
                              "<int8[4, 8] w = {",
                              codes,
                              "}, float[8] s, int8[8] z = {0, 0, 0, 0, 0, 0, 0, 0}> {\n"
                              "  d = DequantizeLinear <axis = 1> (w, s, z)\n"
                              "  y = MatMul(x, d)\n}")),
      "m.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  const auto analysis = Analyze(model->proto(), "m.onnx");
  ASSERT_TRUE(analysis.ok()) << analysis.status();
  EXPECT_EQ(CountCodedWeights(*analysis), 1);
  const auto weights = FindGraphWeights(*analysis, *model);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_TRUE(weights->empty());
}

TEST(Squeezed, LeavesOutAxesOfOneElement) {
  EXPECT_THAT(Squeezed({1, 3, 1, 2}), ElementsAre(3, 2));
}

}  // namespace
}  // namespace onnxquant
