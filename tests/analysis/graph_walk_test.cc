#include "lib/analysis/graph_walk.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

class GraphWalkTest : public ::testing::Test {
 protected:
  void Load(const std::string& text) {
    model_ =
        ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "mine" : 1]>
)" + text);
    auto graph = Graph::Build(model_, "m.onnx");
    ASSERT_TRUE(graph.ok()) << graph.status();
    graph_.emplace(*std::move(graph));
  }

  ValueId Id(const std::string& name) const { return graph_->Find(kMainScope, name); }

  onnx::ModelProto model_;
  std::optional<Graph> graph_;
};

TEST_F(GraphWalkTest, OperatorsOfOtherDomainsAreNoneOfThoseNamed) {
  Load("g (float[4] x) => (float[4] z) { y = com.microsoft.Gelu(x)\n z = mine.Gelu(y) }");
  EXPECT_TRUE(IsAnyOf(*graph_, 0, {"Relu", "Gelu"}));
  EXPECT_FALSE(IsAnyOf(*graph_, 0, {"Relu"}));
  EXPECT_FALSE(IsAnyOf(*graph_, 1, {"Relu", "Gelu"}));
  EXPECT_FALSE(IsAnyOf(*graph_, kNone, {"Relu", "Gelu"}));
}

TEST_F(GraphWalkTest, SlotsThatAreAbsentOrEmptyHoldNothing) {
  Load("g (float[4] x, float high) => (float[4] y) { y = Clip(x, \"\", high) }");
  EXPECT_EQ(InputOf(*graph_, 0, 0), Id("x"));
  EXPECT_EQ(InputOf(*graph_, 0, 1), kNone);
  EXPECT_EQ(InputOf(*graph_, 0, 3), kNone);
  EXPECT_EQ(OutputOf(*graph_, 0), Id("y"));
  EXPECT_EQ(OutputOf(*graph_, 0, 1), kNone);
}

TEST_F(GraphWalkTest, CastsToFloatTypesAndClipsOfSumsAreSeenThrough) {
  Load(R"(g (float[4] x, float[4] y, float low) => (float[4] all) {
  sum = Add(x, y)
  clipped = Clip(sum, low)
  half = Cast<to = 10>(clipped)
  wide = Cast<to = 1>(half)
  number = Cast<to = 7>(wide)
  root = Sqrt(x)
  limited = Clip(root, low)
  all = Add(wide, limited)
})");
  const IdVector<ValueId> before = Uncast(*graph_);
  for (const char* name : {"sum", "clipped", "half", "wide"}) {
    EXPECT_EQ(before[Id(name)], Id("sum")) << name;
  }
  for (const char* name : {"x", "number", "limited", "all"}) {
    EXPECT_EQ(before[Id(name)], Id(name)) << name;
  }
}

constexpr char kDiamond[] = R"(g (float[4] x) => (float[4] z) {
  a = Abs(x)
  b = Neg(a)
  c = Exp(a)
  z = Add(b, c)
})";

TEST_F(GraphWalkTest, EachNodeOfADiamondIsVisitedOnce) {
  Load(kDiamond);
  VisitedNodes visited(*graph_);
  std::vector<NodeId> back;
  WalkBack(*graph_, Id("z"), visited, [&](NodeId node) {
    back.push_back(node);
    return true;
  });
  EXPECT_THAT(back, ElementsAre(3, 2, 0, 1));
  std::vector<NodeId> forward;
  WalkForward(*graph_, Id("x"), visited, [&](NodeId node) {
    forward.push_back(node);
    return true;
  });
  EXPECT_THAT(forward, ElementsAre(0, 1, 2, 3));
}

TEST_F(GraphWalkTest, AWalkStopsWhereItIsToldTo) {
  Load(kDiamond);
  VisitedNodes visited(*graph_);
  std::vector<NodeId> seen;
  WalkBack(*graph_, Id("z"), visited, [&](NodeId node) {
    seen.push_back(node);
    return node == 3;
  });
  EXPECT_THAT(seen, ElementsAre(3, 2, 1));
  seen.clear();
  const auto visit = [&](NodeId node) {
    seen.push_back(node);
    return true;
  };
  WalkBack(*graph_, Id("z"), visited, visit, 2);
  EXPECT_THAT(seen, ElementsAre(3, 2));
}

}  // namespace
}  // namespace onnxquant
