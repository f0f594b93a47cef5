// Nodes that only move data take the types that need the fewest casts; islands stay float32.
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/policy/plan.h"
#include "lib/policy/policy_yaml.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Pair;

// The compute type of each node, by the name of its first output.
std::map<std::string, ElementType> ComputeTypes(const std::string& text, const std::string& rules) {
  const onnx::ModelProto model = ParseModel(text);
  const auto analysis = Analyze(model, "m.onnx");
  EXPECT_TRUE(analysis.ok()) << analysis.status();
  const auto policy = ParsePolicy(
      "policy: 1\nname: p\noutputs:\n  fp16: {compute: float16, weights: float16, io: float16}\n"
      "rules:\n  - {match: {op: Sqrt}, compute: float32, optional: true}\n" +
          rules,
      "p.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  const auto plans = MakePlans(*analysis, *policy, {}, "m.onnx");
  EXPECT_TRUE(plans.ok()) << plans.status();
  std::map<std::string, ElementType> types;
  for (NodeId id = 0; id < static_cast<NodeId>(analysis->graph.nodes().size()); ++id) {
    types[analysis->graph.node(id).proto->output(0)] =
        plans->front().nodes[static_cast<std::size_t>(id)].compute;
  }
  return types;
}

constexpr ElementType kHalf = ElementType::kFloat16;
constexpr ElementType kWide = ElementType::kFloat;

TEST(DataMovers, AChainBetweenFloat32NodesStaysFloat32) {
  EXPECT_THAT(ComputeTypes(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 4] x) => (float[4, 2] z) {
  a = Sqrt(x)
  b = Transpose(a)
  c = Identity(b)
  z = Sqrt(c)
})",
                           ""),
              AllOf(Contains(Pair("b", kWide)), Contains(Pair("c", kWide))));
}

TEST(DataMovers, OfTwoEqualChoicesTheSmallerTypeWins) {
  EXPECT_THAT(ComputeTypes(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 4] x) => (float[4, 2] z) {
  a = Sqrt(x)
  b = Transpose(a)
  z = Exp(b)
})",
                           ""),
              Contains(Pair("b", kHalf)));
}

// One Concat joins what four float32 nodes make and one float32 node reads; a second branch of it
// goes to float16. The cut falls inside the region, behind the Concat.
TEST(DataMovers, ARegionIsCutWhereItIsNarrowest) {
  const auto types = ComputeTypes(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x, float[4] y) => (float[8] s, float[8] h, float[8] k) {
  a = Sqrt(x)
  b = Sqrt(y)
  c = Concat<axis = 0>(a, b)
  s1 = Identity(c)
  s = Sqrt(s1)
  d = Identity(c)
  h = Exp(d)
  k = Abs(d)
})",
                                  "");
  EXPECT_EQ(types.at("c"), kWide);
  EXPECT_EQ(types.at("s1"), kWide);
  EXPECT_EQ(types.at("d"), kHalf);
}

TEST(DataMovers, ALoopTakesTheTypeOfWhatItCarries) {
  const char* loop = R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64 n, bool c, float[4] x) => (float[4] z) {
  a = Sqrt(x)
  l = Loop(n, c, a) <body = b (int64 i, bool go, float[4] carried) => (bool on, float[4] next) {
    on = Identity(go)
    next = Sqrt(carried)
  }>
  z = Sqrt(l)
})";
  EXPECT_THAT(ComputeTypes(loop, ""), Contains(Pair("l", kWide)));
  EXPECT_THAT(ComputeTypes(loop, "  - {match: {op: Sqrt}, compute: float16}\n"),
              Contains(Pair("l", kHalf)));
}

constexpr char kIsland[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] z) <float[2] w = {1, 2}> {
  a = Sqrt(x)
  b = Sigmoid(a)
  c = Mul(a, b)
  d = Add(c, w)
  z = Sqrt(d)
})";

TEST(Islands, ElementwiseArithmeticBetweenFloat32NodesStaysFloat32) {
  EXPECT_THAT(
      ComputeTypes(kIsland, ""),
      AllOf(Contains(Pair("b", kWide)), Contains(Pair("c", kWide)), Contains(Pair("d", kWide))));
}

TEST(Islands, ARuleIsObeyedAndOpensTheIsland) {
  const auto types = ComputeTypes(kIsland, "  - {match: {op: Sigmoid}, compute: float16}\n");
  EXPECT_THAT(types, AllOf(Contains(Pair("b", kHalf)), Contains(Pair("c", kHalf))));
}

TEST(Islands, WhatReachesAnotherNodeAnInputOrAnOutputIsNone) {
  const auto types = ComputeTypes(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 2048] x, float[2048] shift) => (float[2, 1] y, float[2, 2048] b, float[2, 2048] e) {
  a = Sqrt(x)
  b = Relu(a)
  s = Sqrt(x)
  c = Sigmoid(s)
  p = Softmax(c)
  y = ReduceSum<keepdims = 1>(p)
  t = Sqrt(x)
  d = Add(t, shift)
  e = Sqrt(d)
})",
                                  "");
  EXPECT_THAT(types, AllOf(Contains(Pair("b", kHalf)), Contains(Pair("c", kHalf)),
                           Contains(Pair("d", kHalf))));
}

}  // namespace
}  // namespace onnxquant
