#include "lib/policy/plan_nodes.h"

#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using PlanNodesTest = StageTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kModel[] = R"(g (float[2, 2] x) => (float[2, 2] z) {
  a = Sqrt(x)
  b = Transpose(a)
  c = Identity(b)
  z = Exp(c)
})";

TEST_F(PlanNodesTest, NodesThatMoveDataAreOpenUnlessARuleNamesThem) {
  Load(kModel, "  - {match: {op: Identity}, compute: float32}\n");
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  EXPECT_EQ(resolved.movers, Makers({"b"}));
  EXPECT_EQ(resolved.by_rule, Makers({"c"}));
  EXPECT_EQ(plan_.nodes[NodeOf("a")].compute, ElementType::kFloat16);
  EXPECT_EQ(plan_.nodes[NodeOf("c")].compute, ElementType::kFloat);
}

TEST_F(PlanNodesTest, WhatIsAskedOfTheResidualStreamComesWithItsReason) {
  Load(kModel,
       "  - {match: {op: Exp}, residual: {rescale: 2}}\n"
       "  - {match: {op: Exp}, residual: {rescale: 3}}\n"
       "  - {match: {op: Exp}, accuracy_level: 4}\n"
       "  - {match: {op: Sqrt}, residual: {clip: 5}}\n");
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  ASSERT_EQ(resolved.residual.size(), 2U);
  EXPECT_EQ(resolved.residual[0].node, NodeOf("a"));
  EXPECT_EQ(resolved.residual[0].setting.limit, 5);
  EXPECT_EQ(resolved.residual[1].setting.exponent, 3);
  EXPECT_THAT(resolved.residual[1].reason.source(), HasSubstr("p.yaml:7:5"));
}

// As those of a table that becomes codes; else a head that shares them would have its own.
TEST_F(PlanNodesTest, ScalesOfATableAreHalvesWhereARuleThatWidensItSpeaksOfCodes) {
  constexpr char kTable[] =
      R"(g (int64[2] i) => (float16[2, 64] y) <uint8[8, 64] w, float16[8, 2] s> {
  y = com.microsoft.GatherBlockQuantized<bits = 8, block_size = 32, quantize_axis = 1>(w, i, s)
})";
  const std::string rule =
      "  - {match: {op: 'com.microsoft::GatherBlockQuantized'}, compute: float32, weights: ";
  Load(kTable, rule + "int8}\n");
  ResolveNodes(*context_, *resolver_, plan_);
  EXPECT_EQ(plan_.nodes[NodeOf("y")].compute, ElementType::kFloat16);
  EXPECT_EQ(plan_.nodes[NodeOf("y")].why.back().effect(), "compute: float16");
  Load(kTable, rule + "float32}\n");
  ResolveNodes(*context_, *resolver_, plan_);
  EXPECT_EQ(plan_.nodes[NodeOf("y")].compute, ElementType::kFloat);
}

TEST_F(PlanNodesTest, WhatATargetHasInFloat32AloneStaysSoForThatReason) {
  constexpr char kRecurrent[] =
      R"(g (float[3, 1, 4] x) => (float[3, 1, 1, 4] y) <float[1, 12, 4] w, float[1, 12, 4] r> {
  a = Exp(x)
  y = GRU<hidden_size = 4>(a, w, r)
})";
  Load(kRecurrent, "");
  const std::vector<TargetAsked> targets = {{*ParseTarget("webgpu@1.30"), {}}};
  PlanContext context = *context_;
  context.targets = targets;
  ResolveNodes(context, *resolver_, plan_);
  EXPECT_EQ(plan_.nodes[NodeOf("a")].compute, ElementType::kFloat16);
  EXPECT_EQ(plan_.nodes[NodeOf("y")].compute, ElementType::kFloat);
  EXPECT_EQ(plan_.nodes[NodeOf("y")].why.back().source(), "target webgpu@1.30");
  ResolveNodes(*context_, *resolver_, plan_);
  EXPECT_EQ(plan_.nodes[NodeOf("y")].compute, ElementType::kFloat16);
}

// With two reasons in it, which most nodes have no more than: apart they would take as much again.
TEST_F(PlanNodesTest, ANodesPlanTakesNoMoreThan48Bytes) {
  EXPECT_LE(sizeof(NodePlan), 48U);
}

}  // namespace
}  // namespace onnxquant
