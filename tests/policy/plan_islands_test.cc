#include "lib/policy/plan_islands.h"

#include "lib/policy/plan_nodes.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using PlanIslandsTest = StageTest;

TEST_F(PlanIslandsTest, OnlyTheArithmeticOfAnIslandIsDecidedHere) {
  Load(R"(g (float[2, 2] x) => (float[2, 2] z) {
  a = Sqrt(x)
  b = Sigmoid(a)
  c = Transpose(b)
  z = Sqrt(c)
})",
       "  - {match: {op: Sqrt}, compute: float32}\n");
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  const SeenThrough none = Makers({});
  const IdVector<bool> stored(analysis_->graph.values().size(), false);
  KeepIslands({*context_, none, io}, resolved.by_rule, resolved.movers, stored, plan_);
  EXPECT_EQ(plan_.nodes[NodeOf("b")].compute, ElementType::kFloat);
  EXPECT_EQ(plan_.nodes[NodeOf("c")].compute, ElementType::kFloat16);
}

}  // namespace
}  // namespace onnxquant
