#include "lib/policy/plan_casts.h"

#include "lib/policy/plan_types.h"
#include "tests/policy/stage_fixture.h"

namespace onnxquant {
namespace {

using PlanCastsTest = StageTest;

constexpr char kCasts[] = R"(g (float[2] x) => (float[2] z, float[2] y) {
  a = Exp(x)
  b = Cast<to = 10>(a)
  c = Cast<to = 1>(b)
  y = Sqrt(c)
  d = Sqrt(b)
  z = Cast<to = 1>(d)
})";

TEST_F(PlanCastsTest, CastsThatMakeNoOutputAreSeenThrough) {
  Load(kCasts);
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const SeenThrough casts = FindOpenCasts(*context_, resolved, plan_);
  EXPECT_EQ(casts, Makers({"b", "c"}));
  const IdVector<ValueId> roots = RootsOf(analysis_->graph, casts);
  EXPECT_EQ(roots[ValueOf("c")], ValueOf("a"));
  EXPECT_EQ(roots[ValueOf("z")], ValueOf("z"));
}

TEST_F(PlanCastsTest, ACastThatARuleNamesIsNotSeenThrough) {
  Load(kCasts, "  - {match: {op: Cast}, compute: float32}\n");
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  EXPECT_EQ(FindOpenCasts(*context_, resolved, plan_), Makers({}));
}

TEST_F(PlanCastsTest, WhatIsLeftOutIsReadInPlace) {
  Load(kCasts);
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  const SeenThrough casts = FindOpenCasts(*context_, resolved, plan_);
  DecideOutputCasts(*context_, resolved, io, plan_);
  EXPECT_EQ(plan_.nodes[NodeOf("z")].compute, ElementType::kFloat16);
  SettleCasts(*context_, casts, io, NamesOfValues(analysis_->graph), plan_);
  EXPECT_TRUE(plan_.nodes[NodeOf("b")].passes);
  EXPECT_TRUE(plan_.nodes[NodeOf("c")].passes);
  EXPECT_TRUE(plan_.nodes[NodeOf("z")].passes);
  EXPECT_EQ(plan_.read_in_place[ValueOf("c")], ValueOf("a"));
  EXPECT_EQ(plan_.read_in_place[ValueOf("z")], ValueOf("d"));
  EXPECT_EQ(TypesOfValues(*context_, io, plan_)[ValueOf("c")], ElementType::kFloat16);
}

TEST_F(PlanCastsTest, OfTwoOutputsThatAreOneValueOneStaysACast) {
  Load(R"(g (float[2] x) => (float[2] y, float[2] z) {
    a = Exp(x)
    y = Cast<to = 1>(a)
    z = Cast<to = 1>(a)
  })");
  const ResolvedNodes resolved = ResolveNodes(*context_, *resolver_, plan_);
  const IoTypes io = TypesWith(*context_, PlanIo(*context_, *resolver_));
  const SeenThrough casts = FindOpenCasts(*context_, resolved, plan_);
  DecideOutputCasts(*context_, resolved, io, plan_);
  SettleCasts(*context_, casts, io, NamesOfValues(analysis_->graph), plan_);
  EXPECT_TRUE(plan_.nodes[NodeOf("y")].passes);
  EXPECT_FALSE(plan_.nodes[NodeOf("z")].passes);
}

}  // namespace
}  // namespace onnxquant
