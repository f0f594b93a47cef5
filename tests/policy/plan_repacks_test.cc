#include "lib/policy/plan_repacks.h"

#include "lib/policy/plan_nodes.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PlanRepacksTest : public StageTest {
 protected:
  std::vector<RepackPlan> Plan(const std::string& rules) {
    Load(R"(g (float[2, 64] x) => (float[2, 64] y, float[2, 64] z)
<int8[64, 64] w, float[2, 64] s, int8[2, 64] p> {
  f = DequantizeLinear<axis = 0, block_size = 32>(w, s, p)
  [first] y = MatMul(x, f)
  [second] z = MatMul(x, f)
})",
         rules);
    ResolveNodes(*context_, *resolver_, plan_);
    ValueNames names = NamesOfValues(analysis_->graph);
    PlanRepacks(*context_, *resolver_, names, plan_);
    return plan_.repacks;
  }
};

TEST_F(PlanRepacksTest, BlocksAndZeroPointsAreTheSourcesWhateverThePolicySays) {
  const auto repacks =
      Plan("  - {match: {op: MatMul}, weights: {format: int8, block: 128, symmetric: true}}\n");
  ASSERT_THAT(repacks, SizeIs(1));
  EXPECT_EQ(ToString(repacks[0].stored.format), "int8 block 32 asymmetric");
  EXPECT_EQ(repacks[0].stored.scale, ElementType::kFloat16);
  EXPECT_THAT(repacks[0].names, ElementsAre("w_Q8", "w_scales", "w_zero_points"));
  EXPECT_EQ(repacks[0].bytes, 64U * 64 + 2 * 64 * 2 + 2 * 64);
  EXPECT_THAT(repacks[0].why[1].ToString(), HasSubstr("rule at p.yaml:6:5"));
}

TEST_F(PlanRepacksTest, WithoutARuleForCodesNothingIsPlanned) {
  EXPECT_THAT(Plan(""), IsEmpty());
  EXPECT_THAT(Plan("  - {match: {op: MatMul}, weights: nf4}\n"), IsEmpty());
}

TEST_F(PlanRepacksTest, OfOtherBitsTheyStay) {
  const auto repacks = Plan("  - {match: {op: MatMul}, weights: int4}\n");
  ASSERT_THAT(repacks, SizeIs(1));
  EXPECT_EQ(repacks[0].stored.form, nullptr);
  EXPECT_THAT(repacks[0].left, HasSubstr("its codes have 8 bits, and int4 asks for 4"));
}

TEST_F(PlanRepacksTest, WhereOneReaderOnlyIsToHaveCodesTheyStay) {
  const auto repacks = Plan("  - {match: {name: first}, weights: int8}\n");
  ASSERT_THAT(repacks, SizeIs(1));
  EXPECT_EQ(repacks[0].left, "codes are asked for some of its readers only");
}

TEST_F(PlanRepacksTest, ReadersOfTwoTypesWouldNeedTwoSetsOfScales) {
  const auto repacks = Plan(
      "  - {match: {op: MatMul}, weights: int8}\n"
      "  - {match: {name: second}, compute: float32}\n");
  ASSERT_THAT(repacks, SizeIs(1));
  EXPECT_THAT(repacks[0].left, HasSubstr("compute in several types"));
}

TEST_F(PlanRepacksTest, ATableAndItsHeadReadOneSetOfCodesEachByItsForm) {
  const std::string model = R"(g (int64[2] i, float[2, 64] x) => (float[2, 64] y, float[2, 32] z)
<int4[32, 64] w, float[32, 2] s> {
  f = DequantizeLinear<axis = 1, block_size = 32>(w, s)
  y = Gather(f, i)
  t = Transpose<perm = [1, 0]>(f)
  z = MatMul(x, t)
})";
  const auto plan = [&](const std::string& rules) {
    Load(model, rules);
    ResolveNodes(*context_, *resolver_, plan_);
    ValueNames names = NamesOfValues(analysis_->graph);
    PlanRepacks(*context_, *resolver_, names, plan_);
    return plan_.repacks;
  };
  const std::string head = "  - {match: {op: MatMul}, weights: int4}\n";
  auto repacks = plan(head + "  - {match: {op: Gather}, weights: int4}\n");
  ASSERT_THAT(repacks, SizeIs(1));
  EXPECT_EQ(repacks[0].left, "");
  ASSERT_THAT(repacks[0].readers, SizeIs(2));
  EXPECT_EQ(repacks[0].stored.form->name, "matmul_nbits");
  EXPECT_NE(repacks[0].readers[0], repacks[0].readers[1]);
  repacks = plan(head);
  ASSERT_THAT(repacks, SizeIs(1));
  EXPECT_EQ(repacks[0].left, "codes are asked for some of its readers only");
}

}  // namespace
}  // namespace onnxquant
