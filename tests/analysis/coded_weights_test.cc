#include "lib/analysis/coded_weights.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CodedWeightsTest : public ::testing::Test {
 protected:
  // Codes w of 64 rows in two blocks, scales s and zero points z.
  std::vector<CodedWeight> Find(const std::string& nodes) {
    model_ = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 64] x, float[2, 8] v) => (float[2, 8] y)
<int8[64, 8] w, uint8[64, 8] u, float[2, 8] s, int8[2, 8] z, float[64, 4] along> {
)" + nodes + "\n}");
    auto graph = Graph::Build(model_, "m.onnx");
    EXPECT_TRUE(graph.ok()) << graph.status();
    graph_.emplace(*std::move(graph));
    auto types = InferTypes(*graph_, "m.onnx");
    EXPECT_TRUE(types.ok()) << types.status();
    return FindCodedWeights(*graph_, *types);
  }

  ValueId Id(const std::string& name) const { return graph_->Find(kMainScope, name); }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
};

TEST_F(CodedWeightsTest, BlocksAreFoundWithTheirScalesAndZeroPoints) {
  const auto found = Find(R"(
  f = DequantizeLinear<axis = 0, block_size = 32>(w, s, z)
  y = MatMul(x, f))");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].stays, "");
  EXPECT_EQ(found[0].codes, Id("w"));
  EXPECT_EQ(found[0].scales, Id("s"));
  EXPECT_EQ(found[0].zero_points, Id("z"));
  EXPECT_EQ(found[0].bits, 8);
  EXPECT_TRUE(found[0].is_signed);
  EXPECT_EQ(found[0].axis, 0);
  EXPECT_EQ(found[0].block, 32);
  ASSERT_THAT(found[0].readers, SizeIs(1));
  EXPECT_FALSE(found[0].readers[0].transposed);
  EXPECT_THAT(found[0].links, IsEmpty());
}

TEST_F(CodedWeightsTest, ATransposeBetweenIsPartOfTheReading) {
  const auto found = Find(R"(
  f = DequantizeLinear<axis = 0, block_size = 32>(w, s, z)
  t = Transpose<perm = [1, 0]>(f)
  a = MatMul(v, t)
  y = MatMul(x, f))");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].stays, "");
  ASSERT_THAT(found[0].readers, SizeIs(2));
  EXPECT_NE(found[0].readers[0].transposed, found[0].readers[1].transposed);
  EXPECT_THAT(found[0].links, SizeIs(1));
}

TEST_F(CodedWeightsTest, AReaderThatIsNoProductIsAReasonToStay) {
  const auto found = Find(R"(
  f = DequantizeLinear<axis = 0, block_size = 32>(w, s, z)
  a = Abs(f)
  y = MatMul(x, f))");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].stays, HasSubstr("which is no product"));
}

TEST_F(CodedWeightsTest, FloatsThatTheModelGivesOutAreAReasonToStay) {
  auto found = Find(R"(
  f = DequantizeLinear<axis = 0, block_size = 32>(w, s, z)
  y = MatMul(x, f))");
  *model_.mutable_graph()->add_output() = model_.graph().output(0);
  model_.mutable_graph()->mutable_output(1)->set_name("f");
  auto graph = Graph::Build(model_, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  auto types = InferTypes(*graph, "m.onnx");
  ASSERT_TRUE(types.ok()) << types.status();
  found = FindCodedWeights(*graph, *types);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].stays, "its floats are an output of the model");
}

TEST_F(CodedWeightsTest, UnsignedCodesWithoutZeroPointsStay) {
  const auto found = Find(R"(
  f = DequantizeLinear<axis = 0, block_size = 32>(u, s)
  y = MatMul(x, f))");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].stays, HasSubstr("have no zero points"));
}

TEST_F(CodedWeightsTest, ScalesThatAreComputedStay) {
  const auto found = Find(R"(
  c = Abs(s)
  f = DequantizeLinear<axis = 0, block_size = 32>(w, c, z)
  y = MatMul(x, f))");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].stays, "its scales are no constant");
}

TEST_F(CodedWeightsTest, WhatNoProductReadsIsNotFound) {
  EXPECT_THAT(Find(R"(
  f = DequantizeLinear<axis = 0, block_size = 32>(w, s, z)
  a = ReduceMax<keepdims = 0>(f)
  y = Add(v, a))"),
              IsEmpty());
}

}  // namespace
}  // namespace onnxquant
