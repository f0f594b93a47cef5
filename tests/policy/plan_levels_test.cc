#include "lib/policy/plan_levels.h"

#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

class PlanLevelsTest : public ::testing::Test {
 protected:
  // The levels of the products that make h and y.
  std::vector<int> Levels(const std::string& second, const std::string& compute = "float16") {
    const onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[n, 32] x) => (float[n, 32] y) <float[32, 32] w, float[32, 32] v> {
  h = MatMul(x, w)
  y = MatMul(h, )" + second + ")\n}");
    const Analysis analysis = *Analyze(model, "m.onnx");
    const Policy policy =
        *ParsePolicy("policy: 1\nname: p\noutputs:\n  q4f16: {compute: " + compute +
                         ", weights: int4, io: float32, accuracy_level: 4}\n",
                     "p.yaml");
    const OutputPlan plan = (*MakePlans(analysis, policy, {}, "m.onnx"))[0];
    return {plan.nodes[0].accuracy_level, plan.nodes[1].accuracy_level};
  }
};

using ::testing::ElementsAre;

TEST_F(PlanLevelsTest, Float16ProductsOfOneWeightLoseTheLevel) {
  EXPECT_THAT(Levels("w"), ElementsAre(0, 0));
}

TEST_F(PlanLevelsTest, Float16ProductsOfOneSetOfTheSourcesCodesLoseTheLevel) {
  const onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[n, 64] x) => (float[n, 64] y) <int4[64, 64] w, float[2, 64] s> {
  d = DequantizeLinear<axis = 0, block_size = 32>(w, s)
  h = MatMul(x, d)
  y = MatMul(h, d)
})");
  const Analysis analysis = *Analyze(model, "m.onnx");
  const Policy policy = *ParsePolicy(
      "policy: 1\nname: p\noutputs:\n"
      "  q4f16: {compute: float16, weights: int4, io: float32, accuracy_level: 4}\n",
      "p.yaml");
  const OutputPlan plan = (*MakePlans(analysis, policy, {}, "m.onnx"))[0];
  ASSERT_EQ(plan.repacks.size(), 1U);
  EXPECT_EQ(plan.nodes[1].accuracy_level, 0);
  EXPECT_EQ(plan.nodes[2].accuracy_level, 0);
}

TEST_F(PlanLevelsTest, ProductsOfWeightsOfTheirOwnAndInFloat32KeepIt) {
  EXPECT_THAT(Levels("v"), ElementsAre(4, 4));
  EXPECT_THAT(Levels("w", "float32"), ElementsAre(4, 4));
}

}  // namespace
}  // namespace onnxquant
