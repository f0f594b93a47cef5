#include "lib/analysis/weight_nodes.h"

#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

class WeightNodesTest : public ::testing::Test {
 protected:
  void Load(const std::string& nodes) {
    model_ = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (float[2, 8] x) => (float[2, 8] unused) <float[8, 16] w, float[8] b> {
  unused = Add(x, b)
)" + nodes + "\n}");
    auto graph = Graph::Build(model_, "m.onnx");
    ASSERT_TRUE(graph.ok()) << graph.status();
    graph_.emplace(*std::move(graph));
  }

  ValueId Id(const std::string& name) const { return graph_->Find(kMainScope, name); }
  NodeId Last() const { return static_cast<NodeId>(graph_->nodes().size()) - 1; }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
};

TEST_F(WeightNodesTest, AMatMulHasAsManyColumnsAsItsWeight) {
  Load("y = MatMul(x, w)");
  const auto found = WeightMatMulAt(*graph_, Last());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->weight, Id("w"));
  EXPECT_EQ(found->columns, 16);
}

TEST_F(WeightNodesTest, TransposesBetweenAreSeenThrough) {
  Load("t = Transpose<perm = [1, 0]>(w)\n y = MatMul(x, t)");
  const auto found = WeightMatMulAt(*graph_, Last());
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->weight, Id("w"));
  EXPECT_EQ(found->columns, 8);
}

TEST_F(WeightNodesTest, AProductOfActivationsHasNoWeight) {
  Load("a = Abs(x)\n y = MatMul(x, a)");
  EXPECT_FALSE(WeightMatMulAt(*graph_, Last()).has_value());
  EXPECT_EQ(ConstantBehind(*graph_, Id("a")), kNone);
}

TEST_F(WeightNodesTest, AttentionHoldsWeightsWithoutBeingAMatMul) {
  Load("y = MatMul(x, w)\n z = com.microsoft.Attention<num_heads = 2>(x, w, b)");
  const WeightNodes found = FindWeightNodes(*graph_);
  EXPECT_FALSE(found.matmul[0] || found.holds[0]);
  EXPECT_TRUE(found.matmul[1] && found.holds[1]);
  EXPECT_TRUE(!found.matmul[2] && found.holds[2]);
}

}  // namespace
}  // namespace onnxquant
