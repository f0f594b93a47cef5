#include "lib/policy/plan_stored_movers.h"

#include "absl/strings/str_cat.h"
#include "lib/policy/plan_nodes.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using PlanStoredMoversTest = StageTest;
using ::testing::ElementsAre;

TEST_F(PlanStoredMoversTest, WhatMovesAConstantRunsInTheTypeThatIsStored) {
  Load(R"(g (int64[2] ids) => (float[2, 4] z)
<float[8, 4] table, float[4, 4] w> {
  a = Gather(table, ids)
  turned = Transpose(w)
  z = MatMul(a, turned)
})",
       "  - {match: {op: Gather}, weights: float32}\n");
  ResolveNodes(*context_, *resolver_, plan_);
  const std::vector<int> exponents(analysis_->weight_uses.size(), 0);
  const StoredMovers stored = DecideStoredMovers(*context_, exponents, *resolver_, plan_);
  EXPECT_THAT(stored.nodes, ElementsAre(NodeOf("a"), NodeOf("turned")));
  EXPECT_EQ(plan_.nodes[NodeOf("a")].compute, ElementType::kFloat);
  EXPECT_TRUE(stored.values[ValueOf("turned")]);
  EXPECT_FALSE(stored.values[ValueOf("a")]);
}

// A table of codes that plain operators read, and a head that shares it.
TEST_F(PlanStoredMoversTest, ScalesAreMovedInTheTypeInWhichTheReaderOfCodesTakesThem) {
  const std::string model = R"(g (int64[2] ids, float[2, 32] x) => (float[2, 1, 1] y, float[2, 8] z)
<uint8[8, 1, 32] codes, float[8, 1] scales, int64[3] rows = {8, 1, 1}> {
  by_row = Reshape(scales, rows)
  y = Gather(by_row, ids)
  [head] z = com.microsoft.MatMulNBits<K = 32, N = 8, bits = 8, block_size = 32>(x, codes, scales)
})";
  const auto type = [&](const std::string& rules) {
    Load(model, rules);
    ResolveNodes(*context_, *resolver_, plan_);
    const std::vector<int> exponents(analysis_->weight_uses.size(), 0);
    DecideStoredMovers(*context_, exponents, *resolver_, plan_);
    return plan_.nodes[NodeOf("by_row")].compute;
  };
  EXPECT_EQ(type(""), ElementType::kFloat16);
  EXPECT_EQ(type("  - {match: {name: head}, compute: float32}\n"), ElementType::kFloat);
  EXPECT_EQ(type("  - {match: {name: head}, compute: float32}\n"
                 "  - {match: {op: Reshape}, weights: float16}\n"),
            ElementType::kFloat16);
}

// Asked for one by one of what else reads the table, these would be tens of billions of steps.
TEST_F(PlanStoredMoversTest, AHundredThousandNodesMayMoveOneConstant) {
  constexpr int kMovers = 100'000;
  std::string nodes;
  for (int i = 0; i < kMovers; ++i) {
    absl::StrAppend(&nodes, "  v", i, " = Gather(table, ids)\n");
  }
  Load(absl::StrCat("g (int64[2] ids) => (float[2, 4] v0)\n<float[8, 4] table> {\n", nodes, "}"),
       "");
  ResolveNodes(*context_, *resolver_, plan_);
  const std::vector<int> exponents(analysis_->weight_uses.size(), 0);
  EXPECT_EQ(DecideStoredMovers(*context_, exponents, *resolver_, plan_).nodes.size(), kMovers);
}

}  // namespace
}  // namespace onnxquant
