#include "lib/policy/plan_stored_movers.h"

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

}  // namespace
}  // namespace onnxquant
