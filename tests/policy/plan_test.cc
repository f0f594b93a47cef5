#include "lib/policy/plan.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two projections around a norm, a residual Add, and Reshapes that only move data.
constexpr char kBlock[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (int64[batch_size, s] input_ids, float[b, 2, p, 4] past) => (float[b, s, 64] logits)
<float[64, 32] table, float[32] gain, float[32, 32] w1, float[32, 32] w2,
 int64[3] shape = {0, 0, -1}, float scale = {5.5}> {
  embedded = Gather<axis = 0>(table, input_ids)
  x = Mul(embedded, scale)
  normed = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(x, gain)
  a = MatMul(normed, w1)
  reshaped = Reshape(a, shape)
  hidden = MatMul(reshaped, w2)
  sum = Add(x, hidden)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(sum, head)
})";

class PlanTest : public ::testing::Test {
 protected:
  void Load(const char* text) {
    model_ = ParseModel(text);
    auto analysis = Analyze(model_, "m.onnx");
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
  }

  absl::StatusOr<std::vector<OutputPlan>> Plans(const std::string& yaml,
                                                const std::vector<std::string>& dtypes = {}) {
    const auto policy = ParsePolicy("policy: 1\nname: test\n" + yaml, "test.yaml");
    EXPECT_TRUE(policy.ok()) << policy.status();
    return MakePlans(*analysis_, *policy, dtypes, "m.onnx");
  }

  OutputPlan OnlyPlan(const std::string& yaml) {
    auto plans = Plans(yaml);
    EXPECT_TRUE(plans.ok()) << plans.status();
    EXPECT_EQ(plans->size(), 1U);
    return plans->front();
  }

  ElementType TypeOf(const OutputPlan& plan, const std::string& value) const {
    return plan.types[static_cast<std::size_t>(analysis_->graph.Find(kMainScope, value))];
  }

  const WeightPlan& Weight(const OutputPlan& plan, const std::string& name) const {
    const ValueId id = analysis_->graph.Find(kMainScope, name);
    for (const WeightPlan& weight : plan.weights) {
      if (weight.weight == id) return weight;
    }
    ADD_FAILURE() << "no plan for " << name;
    return plan.weights.front();
  }

  onnx::ModelProto model_;
  std::optional<Analysis> analysis_;
};

constexpr char kFp16[] = "outputs:\n  fp16: {compute: float16, weights: float16, io: float16}\n";
constexpr char kQ4[] =
    "outputs:\n  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32}\n";

TEST_F(PlanTest, AHazardStaysFloat32AndSaysWhy) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y) {
  safe = Relu(x)
  y = Log(safe)
})");
  const OutputPlan plan = OnlyPlan(
      std::string(kFp16) + "rules:\n  - match: {hazard: near_zero}\n    compute: float32\n");
  EXPECT_EQ(plan.nodes[0].compute, ElementType::kFloat16);
  EXPECT_EQ(plan.nodes[1].compute, ElementType::kFloat);
  EXPECT_THAT(plan.nodes[1].why.back().ToString(),
              HasSubstr("(near_zero: Log reads 'safe', which nothing keeps from zero"));
}

TEST_F(PlanTest, PlainFp16ChangesEveryFloatValueAndWeight) {
  Load(kBlock);
  const OutputPlan plan = OnlyPlan(kFp16);
  for (const char* value : {"embedded", "x", "normed", "a", "reshaped", "sum", "past", "logits"}) {
    EXPECT_EQ(TypeOf(plan, value), ElementType::kFloat16) << value;
  }
  for (const WeightPlan& weight : plan.weights) {
    ASSERT_EQ(weight.copies.size(), 1U);
    EXPECT_EQ(weight.copies[0].format.type, ElementType::kFloat16);
  }
}

TEST_F(PlanTest, ARuleOnARoleKeepsItsNodesAndWeightsInFloat32) {
  Load(kBlock);
  const OutputPlan plan =
      OnlyPlan(std::string(kFp16) + "rules:\n  - {match: {role: norm}, compute: float32}\n");
  EXPECT_EQ(TypeOf(plan, "normed"), ElementType::kFloat);
  EXPECT_EQ(TypeOf(plan, "x"), ElementType::kFloat16);
  // Nothing says how to store the gain, so it is stored as it is computed with.
  EXPECT_EQ(Weight(plan, "gain").copies[0].format.type, ElementType::kFloat);
  EXPECT_THAT(Weight(plan, "gain").copies[0].names, ElementsAre("gain"));
}

TEST_F(PlanTest, ATableStoredInFloat16IsGatheredInFloat16AndThenCast) {
  Load(kBlock);
  const OutputPlan plan =
      OnlyPlan(std::string(kFp16) +
               "rules:\n  - {match: {role: embedding}, compute: float32, weights: float16}\n");
  EXPECT_EQ(TypeOf(plan, "embedded"), ElementType::kFloat16);
  EXPECT_EQ(TypeOf(plan, "x"), ElementType::kFloat);
  EXPECT_EQ(Weight(plan, "table").copies.size(), 1U);
}

TEST_F(PlanTest, DataMoversTakeTheTypeThatCostsFewestCasts) {
  Load(kBlock);
  const OutputPlan plan =
      OnlyPlan(std::string(kFp16) + "rules:\n  - {match: {op: MatMul}, compute: float32}\n");
  EXPECT_EQ(TypeOf(plan, "reshaped"), ElementType::kFloat);  // stands between two MatMuls
}

TEST_F(PlanTest, FourBitsGoToMatMulsAndEverythingElseStaysInTheComputeType) {
  Load(kBlock);
  const OutputPlan plan = OnlyPlan(kQ4);
  const WeightCopy& w1 = Weight(plan, "w1").copies[0];
  EXPECT_EQ(w1.format.word, "int4");
  EXPECT_THAT(w1.names, ElementsAre("w1_Q4", "w1_scales"));
  EXPECT_EQ(w1.bytes, 32U * 16 + 32 * 4);
  EXPECT_EQ(Weight(plan, "gain").copies[0].format.type, ElementType::kFloat);
  EXPECT_TRUE(Weight(plan, "scale").copies[0].format.IsFloat());
}

TEST_F(PlanTest, ATiedTableIsStoredOncePerDecision) {
  Load(kBlock);
  const OutputPlan plan = OnlyPlan(kQ4);
  const WeightPlan& table = Weight(plan, "table");
  ASSERT_EQ(table.copies.size(), 2U);
  EXPECT_THAT(table.copies[0].names, ElementsAre("table"));  // the Gather's
  EXPECT_THAT(table.copies[1].names, ElementsAre("table_Q4", "table_scales"));
  EXPECT_TRUE(table.copies[1].stored.transposed);
  EXPECT_EQ(table.copies[1].bytes, 64U * 16 + 64 * 4);  // N = 64, one block of K = 32
}

TEST_F(PlanTest, AsymmetricBlocksHaveZeroPointsPaddedPerColumn) {
  Load(kBlock);
  const OutputPlan plan = OnlyPlan(
      "outputs:\n  q4: {compute: float16, weights: {format: int4, block: 32, symmetric: false}, "
      "io: float32}\n");
  EXPECT_EQ(Weight(plan, "w1").copies[0].bytes, 32U * 16 + 32 * 2 + 32 * 1);
  EXPECT_EQ(Weight(plan, "w1").copies[0].stored.scale, ElementType::kFloat16);
}

TEST_F(PlanTest, LogitsStayFloat32UnlessARuleNamesThem) {
  Load(kBlock);
  const OutputPlan plan = OnlyPlan(kFp16);
  for (const IoPlan& io : plan.io) {
    const bool logits = analysis_->graph.value(io.value).name == "logits";
    EXPECT_EQ(io.type, logits ? ElementType::kFloat : ElementType::kFloat16);
  }
  const OutputPlan named =
      OnlyPlan(std::string(kFp16) + "rules:\n  - {match: {name: logits}, io: float16}\n");
  for (const IoPlan& io : named.io) EXPECT_EQ(io.type, ElementType::kFloat16);
}

TEST_F(PlanTest, EveryDecisionSaysWhatMadeIt) {
  Load(kBlock);
  const OutputPlan plan =
      OnlyPlan(std::string(kFp16) + "rules:\n  - {match: {weight: gain}, weights: float32}\n");
  const Reasons& why = Weight(plan, "gain").copies[0].why;
  ASSERT_EQ(why.size(), 2U);
  EXPECT_THAT(why[0].ToString(), HasSubstr("output 'fp16' of policy test sets compute: float16"));
  EXPECT_EQ(why[1].ToString(), "rule at test.yaml:6:5 sets weights: float32");
}

TEST_F(PlanTest, RefusesARuleThatMatchesNothing) {
  Load(kBlock);
  const auto plans =
      Plans(std::string(kFp16) + "rules:\n  - {match: {role: rope}, compute: float32}\n");
  EXPECT_EQ(KindOf(plans.status()), ErrorKind::kPolicy);
  EXPECT_THAT(std::string(plans.status().message()),
              HasSubstr("test.yaml:6:5: this rule matches nothing in m.onnx"));
}

TEST_F(PlanTest, AcceptsAnOptionalRuleThatMatchesNothing) {
  Load(kBlock);
  EXPECT_TRUE(Plans(std::string(kFp16) +
                    "rules:\n  - {match: {role: rope}, compute: float32, optional: true}\n")
                  .ok());
}

TEST_F(PlanTest, RefusesADtypeThatThePolicyLacks) {
  Load(kBlock);
  const auto plans = Plans(kFp16, {"fp61"});
  EXPECT_EQ(KindOf(plans.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(plans.status().message()), HasSubstr("did you mean 'fp16'?"));
}

TEST_F(PlanTest, NeverReusesANameThatTheModelHas) {
  std::string text = kBlock;
  text.replace(text.find("float[32] gain"), 14, "float[32] gain, float[4] w1_Q4");
  text.replace(text.find("x = Mul"), 1, "unused = Abs(w1_Q4)\n  x");
  Load(text.c_str());
  EXPECT_EQ(Weight(OnlyPlan(kQ4), "w1").copies[0].names[0], "w1_Q4_2");
}

TEST_F(PlanTest, OneOutputHasOneSixteenBitType) {
  Load(kBlock);
  const auto mixed = ParsePolicy(
      "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: float32}\n"
      "rules:\n  - {match: {role: norm}, compute: bfloat16}\n",
      "p.yaml");
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  const auto plans = MakePlans(*analysis_, *mixed, {}, "m.onnx");
  EXPECT_EQ(KindOf(plans.status()), ErrorKind::kPolicy);
  EXPECT_THAT(std::string(plans.status().message()),
              HasSubstr("p.yaml:6:5: found bfloat16 where output 'fp16' already uses float16"));
}

TEST_F(PlanTest, FourBitWeightsDoNotGoWithBfloat16) {
  Load(kBlock);
  const auto policy = ParsePolicy(
      "policy: 1\nname: p\noutputs:\n  q4: {compute: bfloat16, weights: int4, io: float32}\n",
      "p.yaml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_THAT(std::string(MakePlans(*analysis_, *policy, {}, "m.onnx").status().message()),
              HasSubstr("wants int4 weights and bfloat16"));
}

}  // namespace
}  // namespace onnxquant
