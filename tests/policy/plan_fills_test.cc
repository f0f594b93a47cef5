#include "lib/policy/plan_fills.h"

#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

class PlanFillsTest : public ::testing::Test {
 protected:
  OutputPlan PlanOf(const std::string& overflow) {
    model_ = ParseModel(R"(<ir_version: 10, opset_import: ["" : 17]>
g (float[n, 2, 2] scores, float[n, 1, 2] shown, int64[2] size, int64 diagonal) => (float[n, 2, 2] y)
<float hidden = {-3e38}, float one = {1}> {
  inverse = Sub(one, shown)
  padding = Mul(inverse, hidden)
  filled = ConstantOfShape<value = float[1] {-1e9}>(size)
  causal = Trilu<upper = 1>(filled, diagonal)
  first = Add(scores, causal)
  masked = Add(first, padding)
  y = Softmax<axis = -1>(masked)
})");
    analysis_.emplace(*Analyze(model_, "m.onnx"));
    const Policy policy = *ParsePolicy(
        "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: float16, "
        "constants: {overflow: " +
            overflow + "}}\n",
        "p.yaml");
    return (*MakePlans(*analysis_, policy, {}, "m.onnx"))[0];
  }

  const WeightCopy& CopyOf(const OutputPlan& plan, const std::string& name) {
    for (const WeightPlan& weight : plan.weights) {
      if (analysis_->graph.value(weight.weight).name == name) return weight.copies[0];
    }
    ADD_FAILURE() << name;
    return plan.weights[0].copies[0];
  }

  onnx::ModelProto model_;
  std::optional<Analysis> analysis_;
};

TEST_F(PlanFillsTest, FillsThatMeetAreClampedToWhatTheirSumMayBe) {
  const OutputPlan plan = PlanOf("clamp");
  EXPECT_EQ(CopyOf(plan, "hidden").limit, 28672);
  EXPECT_EQ(CopyOf(plan, "hidden").why.back().effect(), "constants: at most ±28672");
  EXPECT_EQ(CopyOf(plan, "one").limit, 0);
  ASSERT_EQ(plan.fill_limits.size(), 1U);
  EXPECT_EQ(plan.fill_limits.begin()->second, 28672);
}

TEST_F(PlanFillsTest, APolicyThatClampsNothingIsLeftAlone) {
  const OutputPlan plan = PlanOf("infinity");
  EXPECT_EQ(CopyOf(plan, "hidden").limit, 0);
  EXPECT_TRUE(plan.fill_limits.empty());
}

// A count that stays float32, and with it the mask that is made of it.
TEST_F(PlanFillsTest, AFillInFloat32IsClampedWhereFloat16ReadsTheMask) {
  model_ = ParseModel(R"(<ir_version: 10, opset_import: ["" : 17]>
g (float[n, 2, 2] scores, float[n, 1, 2] shown, bool[n, 2, 2] later) => (float[n, 2, 2] y)
<float hidden = {-3e38}, float one = {1}, float chosen = {-1e9}> {
  inverse = Sub(one, shown)
  padding = Mul(inverse, hidden)
  masked = Add(scores, padding)
  left = Where(later, chosen, masked)
  y = Softmax<axis = -1>(left)
})");
  analysis_.emplace(*Analyze(model_, "m.onnx"));
  const auto plan_of = [this](const std::string& rule) {
    const Policy policy = *ParsePolicy(
        "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: float16, "
        "constants: {overflow: clamp}}\nrules:\n  - {match: " +
            rule + ", compute: float32, weights: float32}\n",
        "p.yaml");
    return (*MakePlans(*analysis_, policy, {}, "m.onnx"))[0];
  };
  EXPECT_EQ(CopyOf(plan_of("{op: Mul}"), "hidden").limit, 57344);
  EXPECT_EQ(CopyOf(plan_of("{op: Where}"), "chosen").limit, 57344);
  EXPECT_EQ(CopyOf(plan_of("{op: [Sub, Mul, Add, Where, Softmax]}"), "hidden").limit, 0);
}

}  // namespace
}  // namespace onnxquant
