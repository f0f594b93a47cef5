#include "lib/policy/plan_weights.h"

#include "lib/policy/plan_nodes.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using PlanWeightsTest = StageTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kTwoReaders[] = R"(g (float[2, 4] x) => (float[2, 4] z)
<float[4, 4] w> {
  a = MatMul(x, w)
  z = MatMul(a, w)
})";

TEST_F(PlanWeightsTest, AConstantOfTwoScalesIsStoredTwice) {
  Load(kTwoReaders);
  ResolveNodes(*context_, *resolver_, plan_);
  ValueNames names = NamesOfValues(analysis_->graph);
  PlanWeights(*context_, {0, -3}, *resolver_, names, plan_);
  ASSERT_EQ(plan_.weights.size(), 1U);
  const std::vector<WeightCopy>& copies = plan_.weights[0].copies;
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_THAT(copies[0].names, ElementsAre("w"));
  EXPECT_THAT(copies[1].names, ElementsAre("w_scaled_float16"));
  EXPECT_EQ(copies[1].exponent, -3);
}

TEST_F(PlanWeightsTest, ACopyHasTheTypesThatNodesHaveByNow) {
  Load(kTwoReaders);
  ResolveNodes(*context_, *resolver_, plan_);
  plan_.nodes[NodeOf("z")].compute = ElementType::kFloat;
  EXPECT_EQ(CopyFor(*context_, plan_.nodes, {0, 0}, 0, *resolver_).format.type,
            ElementType::kFloat16);
  EXPECT_EQ(CopyFor(*context_, plan_.nodes, {0, 0}, 1, *resolver_).format.type,
            ElementType::kFloat);
}

constexpr char kTableAndHead[] =
    R"(g (float[2, 64] x, int64[2] i) => (float[2, 64] e, float[2, 64] y)
<float[64, 64] w> {
  e = Gather(w, i)
  y = MatMul(x, w)
})";

TEST_F(PlanWeightsTest, TieActsWhereAConstantHasOtherReaders) {
  Settings tie;
  tie.tie = false;
  Load(kTableAndHead);
  for (const std::size_t use : {0, 1}) {
    EXPECT_TRUE(CanAct(tie, SubjectOfUse(*context_, use)));
  }
  Load(R"(g (float[2, 64] x) => (float[2, 64] y) <float[64, 64] v, float[64, 64] w> {
    u = MatMul(x, v)
    y = MatMul(u, w)
  })");
  for (const std::size_t use : {0, 1}) {
    EXPECT_FALSE(CanAct(tie, SubjectOfUse(*context_, use)));
  }
}

TEST_F(PlanWeightsTest, EachCopyHasReasonsOfItsOwnReader) {
  Load(kTableAndHead, "  - {match: {op: MatMul}, weights: int4}\n");
  ResolveNodes(*context_, *resolver_, plan_);
  ValueNames names = NamesOfValues(analysis_->graph);
  PlanWeights(*context_, {0, 0}, *resolver_, names, plan_);
  ASSERT_EQ(plan_.weights.size(), 1U);
  const std::vector<WeightCopy>& copies = plan_.weights[0].copies;
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_THAT(copies[0].why.back().source(), HasSubstr("output 'fp16'"));
  EXPECT_EQ(copies[1].why.back().ToString(),
            "rule at p.yaml:6:5 sets weights: int4 block 32 symmetric");
}

TEST_F(PlanWeightsTest, OneCopyForTwoReadersSaysWhatOneOfThemAskedForInVain) {
  Load(kTableAndHead, "  - {match: {op: Gather}, weights: nf4, optional: true}\n");
  ResolveNodes(*context_, *resolver_, plan_);
  ValueNames names = NamesOfValues(analysis_->graph);
  PlanWeights(*context_, {0, 0}, *resolver_, names, plan_);
  const std::vector<WeightCopy>& copies = plan_.weights[0].copies;
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_THAT(copies[0].left, HasSubstr("no Gather reads nf4"));
  EXPECT_THAT(copies[0].why.back().source(), HasSubstr(copies[0].left));
}

}  // namespace
}  // namespace onnxquant
