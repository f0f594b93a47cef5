#include "lib/policy/mover_regions.h"

#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using MoverRegionsTest = StageTest;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST_F(MoverRegionsTest, NodesThatShareAValueAreOneRegion) {
  Load(R"(g (float[2, 2] x) => (float[2, 2] z, float[2, 2] y) {
  a = Sqrt(x)
  b = Transpose(a)
  c = Identity(b)
  z = Sqrt(c)
  d = Exp(z)
  e = Transpose(d)
  y = Exp(e)
})",
       "  - {match: {op: Sqrt}, compute: float32}\n");
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  const SeenThrough none = Makers({});
  const IdVector<bool> stored(analysis_->graph.values().size(), false);
  const Regions regions = OpenRegions({*context_, none, io}, plan_.nodes, resolved.movers, stored);
  ASSERT_THAT(regions, SizeIs(2));
  EXPECT_THAT(regions[0].nodes, ElementsAre(NodeOf("b"), NodeOf("c")));
  EXPECT_THAT(regions[0].edges, SizeIs(3));
  EXPECT_THAT(TypesAround(regions[0]), ElementsAre(ElementType::kFloat));
  EXPECT_THAT(regions[1].nodes, ElementsAre(NodeOf("e")));
  EXPECT_THAT(TypesAround(regions[1]), ElementsAre(ElementType::kFloat16));
}

TEST_F(MoverRegionsTest, ReadersAreThoseBehindWhatIsSeenThrough) {
  Load(R"(g (float[2] x) => (float[2] z, float[2] y) {
  a = Exp(x)
  b = Identity(a)
  z = Sqrt(b)
  y = Exp(a)
})",
       "  - {match: {op: Sqrt}, compute: float32}\n");
  ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  const SeenThrough through = Makers({"b"});
  const ValueReaders readers =
      ReadersOf({*context_, through, io}, plan_.nodes, Makers({"y"}), ValueOf("a"));
  ASSERT_THAT(readers.ends, SizeIs(2));
  EXPECT_EQ(readers.ends[0].open, NodeOf("y"));
  EXPECT_EQ(readers.ends[1].type, ElementType::kFloat);
  EXPECT_FALSE(readers.io);
}

TEST_F(MoverRegionsTest, ANodeThatChangesNothingSaysNothing) {
  NodePlan node;
  SharedReasons reasons;
  FollowNeighbours(ElementType::kFloat, "moving data between", reasons, node);
  EXPECT_TRUE(node.why.empty());
  FollowNeighbours(ElementType::kFloat16, "moving data between", reasons, node);
  ASSERT_THAT(node.why, SizeIs(1));
  EXPECT_EQ(node.why[0].ToString(), "moving data between float16 nodes sets compute: float16");
}

}  // namespace
}  // namespace onnxquant
