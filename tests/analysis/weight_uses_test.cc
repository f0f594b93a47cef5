#include "lib/analysis/weight_uses.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

class WeightUsesTest : public ::testing::Test {
 protected:
  const std::vector<WeightUse>& Find(const std::string& text) {
    model_ = ParseModel(text);
    graph_.emplace(*Graph::Build(model_, "m.onnx"));
    uses_ = FindWeightUses(*graph_, *InferTypes(*graph_, "m.onnx"));
    return uses_;
  }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
  std::vector<WeightUse> uses_;
};

TEST_F(WeightUsesTest, SeesThroughATransposeToItsReaders) {
  const auto& uses = Find(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 4] x) => (float[2, 3] y) <float[3, 4] w> {
  t = Transpose<perm = [1, 0]>(w)
  y = MatMul(x, t)
})");
  ASSERT_EQ(uses.size(), 1U);
  EXPECT_TRUE(uses[0].transposed);
  EXPECT_EQ(uses[0].direct, (Use{0, 0}));
  EXPECT_EQ(uses[0].reader, (Use{1, 1}));
}

TEST_F(WeightUsesTest, TwoTransposesCancel) {
  const auto& uses = Find(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 3] x) => (float[2, 4] y) <float[3, 4] w> {
  t = Transpose(w)
  u = Transpose<perm = [1, 0]>(t)
  y = MatMul(x, u)
})");
  ASSERT_EQ(uses.size(), 1U);
  EXPECT_FALSE(uses[0].transposed);
  EXPECT_EQ(uses[0].chain.size(), 2U);
}

TEST_F(WeightUsesTest, ATransposeOfMoreAxesIsAReaderItself) {
  const auto& uses = Find(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[5] x) => (float[4, 3, 2] y) <float[2, 3, 4] w> { y = Transpose<perm = [2, 1, 0]>(w) })");
  ASSERT_EQ(uses.size(), 1U);
  EXPECT_TRUE(uses[0].chain.empty());
}

TEST_F(WeightUsesTest, LeavesOutDefaultsOutputsAndIntegers) {
  EXPECT_TRUE(Find(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x = {1, 2}, float[2] z) => (float[2] y) <int64[2] s> {
  y = Add(x, z)
  r = Reshape(x, s)
})")
                  .empty());
}

TEST_F(WeightUsesTest, KnowsConstantsHoweverTheyAreSpelt) {
  EXPECT_EQ(Find(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y) {
  a = Constant<value_float = 2.0>()
  b = Constant<value = float[2] {1, 2}>()
  p = Mul(x, a)
  y = Add(p, b)
})")
                .size(),
            2U);
  EXPECT_EQ(ConstantShape(*graph_, graph_->Find(kMainScope, "a"))->size(), 0U);
  EXPECT_EQ(ConstantShape(*graph_, graph_->Find(kMainScope, "b"))->size(), 1U);
  EXPECT_FALSE(ConstantShape(*graph_, graph_->Find(kMainScope, "p")));
}

}  // namespace
}  // namespace onnxquant
