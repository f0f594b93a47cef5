#include "lib/policy/plan_rope.h"

#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/rope_model.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTwoLayers[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
  g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
  <float[64, 4] c, float[64, 4] s, float[64, 4] c2, float[64, 4] s2> {
    [first] a = com.microsoft.RotaryEmbedding(x, at, c, s)
    [second] b = com.microsoft.RotaryEmbedding(a, at, c2, s2)
    [third] y = com.microsoft.RotaryEmbedding(b, at, c, s)
  })";
const std::vector<float> kFrequencies = {1.0F, 0.1F, 0.01F, 0.001F};
const std::vector<float> kOthers = {1.0F, 0.2F, 0.04F, 0.008F};

class PlanRopeTest : public ::testing::Test {
 protected:
  void Load(onnx::ModelProto proto) {
    auto model = Model::FromProto(std::move(proto), "m.onnx");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<Model>(*std::move(model));
    auto analysis = Analyze(model_->proto(), "m.onnx");
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
  }
  void LoadTwoLayers(float factor = 1) {
    onnx::ModelProto model = ParseModel(kTwoLayers);
    AddRopeTables("c", "s", kFrequencies, 64, model);
    AddRopeTables("c2", "s2", kOthers, 64, model, factor);
    Load(std::move(model));
  }

  absl::StatusOr<OutputPlan> Try(const std::string& set, const std::string& rules = "") {
    const auto policy = ParsePolicy(
        "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: float16" +
            (set.empty() ? set : ", rope_cache: " + set) + "}\n" +
            (rules.empty() ? "" : "rules:\n" + rules),
        "p.yaml");
    EXPECT_TRUE(policy.ok()) << policy.status();
    const Evidence evidence{model_.get(), {}};
    auto plans = MakePlans(*analysis_, *policy, {}, "m.onnx", evidence);
    if (!plans.ok()) return plans.status();
    return plans->front();
  }
  OutputPlan Run(const std::string& set, const std::string& rules = "") {
    auto plan = Try(set, rules);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *std::move(plan);
  }

  const WeightPlan& Weight(const OutputPlan& plan, const std::string& name) const {
    for (const WeightPlan& weight : plan.weights) {
      if (analysis_->graph.value(weight.weight).name == name) return weight;
    }
    ADD_FAILURE() << "no weight " << name;
    return plan.weights.front();
  }
  const WeightCopy& Copy(const OutputPlan& plan, const std::string& name) const {
    EXPECT_THAT(Weight(plan, name).copies, SizeIs(1)) << name;
    return Weight(plan, name).copies.front();
  }
  static void ExpectStoredAlike(const WeightCopy& one, const WeightCopy& other) {
    EXPECT_EQ(one.format, other.format);
    EXPECT_EQ(one.rows, other.rows);
    EXPECT_EQ(one.made, other.made);
    EXPECT_EQ(one.names, other.names);
    EXPECT_EQ(one.bytes, other.bytes);
    EXPECT_EQ(one.spared, other.spared);
  }
  std::string Why(const OutputPlan& plan, const std::string& name) const {
    return Weight(plan, name).copies.front().why.back().ToString();
  }

  std::unique_ptr<Model> model_;
  std::optional<Analysis> analysis_;
};

TEST_F(PlanRopeTest, NothingIsDoneWithTablesUnlessThePolicySaysSo) {
  LoadTwoLayers();
  const OutputPlan said = Run("keep");
  EXPECT_THAT(said.rope.tables, IsEmpty());
  EXPECT_THAT(said.rope_cache, IsEmpty());
  ExpectStoredAlike(Copy(said, "c"), Copy(Run(""), "c"));
}

TEST_F(PlanRopeTest, ComputedTablesCostTheirFrequenciesOncePerPair) {
  LoadTwoLayers();
  const OutputPlan plan = Run("computed");
  ASSERT_THAT(plan.rope.angles, SizeIs(2));
  EXPECT_EQ(plan.rope.angles[0].frequencies, kFrequencies);
  EXPECT_EQ(plan.rope.angles[0].positions, 64);
  EXPECT_EQ(plan.rope.angles[0].name, "c_frequencies");
  EXPECT_EQ(plan.rope.angles[1].frequencies, kOthers);
  for (const char* name : {"c", "s", "c2", "s2"}) {
    const WeightCopy& copy = Copy(plan, name);
    EXPECT_TRUE(copy.made) << name;
    EXPECT_EQ(copy.format.type, ElementType::kFloat);
    EXPECT_THAT(copy.names, ElementsAre(name));
    EXPECT_EQ(copy.bytes + copy.spared, 64 * 4 * 2);
  }
  EXPECT_EQ(Copy(plan, "c").bytes, 4 * sizeof(float));
  EXPECT_EQ(Copy(plan, "s").bytes, 0);
  EXPECT_THAT(Why(plan, "s"), HasSubstr("computed from 'c_frequencies' for 64 positions"));
  EXPECT_THAT(plan.rope_cache, HasSubstr("rotary: 4 tables computed from 2 sets of frequencies, "
                                         "within "));
  EXPECT_THAT(plan.rope_cache, EndsWith("; 2016 bytes less"));
}

TEST_F(PlanRopeTest, TablesThatAreEqualAreMadeOnce) {
  onnx::ModelProto model = ParseModel(kTwoLayers);
  AddRopeTables("c", "s", kFrequencies, 64, model);
  AddRopeTables("c2", "s2", kFrequencies, 64, model);
  Load(std::move(model));
  const OutputPlan plan = Run("computed");
  EXPECT_THAT(plan.rope.angles, SizeIs(1));
  EXPECT_EQ(Copy(plan, "c2").names, Copy(plan, "c").names);
  EXPECT_EQ(Copy(plan, "s2").names, Copy(plan, "s").names);
  EXPECT_EQ(Copy(plan, "c2").bytes, 0);
}

TEST_F(PlanRopeTest, TablesThatAFactorTellsApartShareTheirAnglesAlone) {
  onnx::ModelProto model = ParseModel(kTwoLayers);
  AddRopeTables("c", "s", kFrequencies, 64, model);
  AddRopeTables("c2", "s2", kFrequencies, 64, model, 1.25F);
  Load(std::move(model));
  const OutputPlan plan = Run("computed");
  EXPECT_THAT(plan.rope.angles, SizeIs(1));
  EXPECT_EQ(Copy(plan, "c2").names[0], "c2");
  EXPECT_EQ(plan.rope.tables.at(Weight(plan, "c2").weight).factor, 1.25F);
}

TEST_F(PlanRopeTest, FewerPositionsAreComputedOrStored) {
  LoadTwoLayers();
  EXPECT_EQ(Run("{computed: 10}").rope.angles[0].positions, 10);
  const OutputPlan plan = Run("{positions: 10}");
  EXPECT_THAT(plan.rope.angles, IsEmpty());
  const WeightCopy& copy = Copy(plan, "s2");
  EXPECT_FALSE(copy.made);
  EXPECT_TRUE(copy.in_main);
  EXPECT_EQ(copy.rows, 10);
  EXPECT_EQ(copy.format.type, ElementType::kFloat16);
  EXPECT_EQ(copy.bytes, 10 * 4 * 2);
  EXPECT_EQ(copy.spared, 54 * 4 * 2);
  EXPECT_THAT(Why(plan, "s2"), HasSubstr("rows: 10"));
  EXPECT_EQ(plan.rope_cache, "rotary: 4 tables stored in part; 1728 bytes less");
}

TEST_F(PlanRopeTest, WhatHasNoMoreRowsStays) {
  LoadTwoLayers();
  for (const char* set : {"{positions: 64}", "{positions: 65}", "{computed: 65}"}) {
    const OutputPlan plan = Run(set);
    EXPECT_EQ(Copy(plan, "c").rows, 0) << set;
    EXPECT_FALSE(Copy(plan, "c").made) << set;
    EXPECT_THAT(Why(plan, "c"), HasSubstr("(they have 64 rows) sets rope_cache: keep")) << set;
    EXPECT_THAT(plan.rope_cache, HasSubstr("'c' stays: they have 64 rows")) << set;
  }
  EXPECT_TRUE(Copy(Run("{computed: 64}"), "c").made);
}

TEST_F(PlanRopeTest, TablesThatNoFormulaMakesStayAndSoDoTheirBytes) {
  Load(ParseModel(kTwoLayers));
  const OutputPlan plan = Run("computed");
  ExpectStoredAlike(Copy(plan, "c"), Copy(Run(""), "c"));
  EXPECT_THAT(plan.rope.angles, IsEmpty());
  EXPECT_THAT(Why(plan, "c"), HasSubstr("their first row is not that of position 0"));
  EXPECT_EQ(Copy(Run("{positions: 10}"), "c").rows, 10);
}

TEST_F(PlanRopeTest, WhatElseReadsATableKeepsIt) {
  onnx::ModelProto model = ParseModel(
      R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
      g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y, float[b, s, 4] z)
      <float[64, 4] c, float[64, 4] s> {
        y = com.microsoft.RotaryEmbedding(x, at, c, s)
        [look] z = Gather(c, at)
      })");
  AddRopeTables("c", "s", kFrequencies, 64, model);
  Load(std::move(model));
  for (const char* set : {"computed", "{positions: 10}"}) {
    const OutputPlan plan = Run(set);
    EXPECT_FALSE(Copy(plan, "s").made);
    EXPECT_EQ(Copy(plan, "s").rows, 0);
    EXPECT_THAT(Why(plan, "s"), HasSubstr("node 'look' (Gather), which is no rotary embedding"));
  }
}

TEST_F(PlanRopeTest, ARuleSpeaksOfTheTablesThatItMatches) {
  LoadTwoLayers();
  const OutputPlan plan = Run("", "  - {match: {weight: [c2, s2]}, rope_cache: computed}\n");
  EXPECT_FALSE(Copy(plan, "c").made);
  EXPECT_TRUE(Copy(plan, "c2").made);
  const OutputPlan kept = Run("computed", "  - {match: {name: second}, rope_cache: keep}\n");
  EXPECT_TRUE(Copy(kept, "c").made);
  EXPECT_FALSE(Copy(kept, "s2").made);
  const OutputPlan all = Run("computed", "  - {match: {name: second}, keep: true}\n");
  EXPECT_FALSE(Copy(all, "s2").made);
}

TEST_F(PlanRopeTest, ReadersOfOneTableMustAgree) {
  LoadTwoLayers();
  for (const char* match : {"name: third", "weight: c"}) {
    const OutputPlan plan =
        Run("", absl::StrCat("  - {match: {", match, "}, rope_cache: computed}\n"));
    EXPECT_FALSE(Copy(plan, "c").made);
    EXPECT_THAT(Why(plan, "c"), HasSubstr("the policy does not say the same for all"));
  }
}

TEST_F(PlanRopeTest, ARuleThatMatchesNoTableIsAnError) {
  Load(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
    g (float[b, 4] x) => (float[b, 3] y) <float[4, 3] w> { [one] y = MatMul(x, w) })"));
  const auto plan = Try("", "  - {match: {name: one}, rope_cache: computed}\n");
  EXPECT_THAT(plan.status().message(),
              HasSubstr("p.yaml:6:5: this rule sets rope_cache: computed, which changes nothing"));
  EXPECT_EQ(Run("computed").rope_cache, "rotary: no rotary embedding reads a constant table");
  EXPECT_EQ(Run("keep").rope_cache, "");
}

TEST_F(PlanRopeTest, NodesThatMakeATableComputeInFloat32WhateverRulesSay) {
  Load(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
    g (float[b, s, 8] x, int64[b, s] at) => (float[b, s, 8] y)
    <float zero = {0}, float many = {1024}, float one = {1}, int64[2] column = {-1, 1},
     float[1, 4] f> {
      p = Range(zero, many, one)
      q = Reshape(p, column)
      a = Mul(q, f)
      c = Cos(a)
      s = Sin(a)
      y = com.microsoft.RotaryEmbedding(x, at, c, s)
    })"));
  for (const char* rules :
       {"", "  - {match: {op: [Range, Reshape, Mul, Cos, Sin]}, compute: float16}\n",
        "  - {match: {weight: f}, weights: float16}\n"}) {
    const OutputPlan plan = Run("", rules);
    for (const char* value : {"p", "q", "a", "c", "s"}) {
      EXPECT_EQ(plan.types[analysis_->graph.Find(kMainScope, value)], ElementType::kFloat) << value;
    }
    EXPECT_EQ(plan.types[analysis_->graph.Find(kMainScope, "y")], ElementType::kFloat16);
    EXPECT_EQ(Copy(plan, "f").format.type, ElementType::kFloat);
  }
}

}  // namespace
}  // namespace onnxquant
