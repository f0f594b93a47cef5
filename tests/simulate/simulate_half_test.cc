#include "lib/simulate/simulate_half.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

constexpr char kHead[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
)";

std::vector<std::string> LinesOf(const onnx::GraphProto& graph) {
  std::vector<std::string> lines;
  for (const onnx::NodeProto& node : graph.node()) {
    std::string line = node.op_type() + "(";
    for (int i = 0; i < node.input_size(); ++i) line += (i > 0 ? ", " : "") + node.input(i);
    line += ") -> ";
    for (int i = 0; i < node.output_size(); ++i) line += (i > 0 ? ", " : "") + node.output(i);
    lines.push_back(line);
  }
  return lines;
}

onnx::ModelProto Simulated(const std::string& text) {
  const auto model = SimulateHalf(ParseModel(kHead + text), "m.onnx");
  EXPECT_TRUE(model.ok()) << model.status();
  return *model;
}

TEST(SimulateHalf, RoundsEveryResultOnceAndWidensItOnce) {
  EXPECT_THAT(LinesOf(Simulated(R"(g (float16[4] x) => (float16[4] z) {
  y = Exp(x)
  z = Mul(y, y)
})")
                          .graph()),
              ElementsAre("Cast(x) -> x/float32", "Exp(x/float32) -> y/exact", "Cast(y/exact) -> y",
                          "Cast(y) -> y/float32", "Mul(y/float32, y/float32) -> z/exact",
                          "Cast(z/exact) -> z"));
}

TEST(SimulateHalf, LeavesOtherTypesAlone) {
  const std::string text = R"(g (float[4] x, float16[4] h) => (float[4] y, float16[4] h) {
  y = Exp(x)
})";
  EXPECT_THAT(LinesOf(Simulated(text).graph()), ElementsAre("Exp(x) -> y"));
}

TEST(SimulateHalf, LeavesANodeThatLacksWhatItsOperatorTakes) {
  EXPECT_THAT(LinesOf(Simulated(R"(g (float16[4] x) => (float16[4] y) {
  y = com.microsoft.SkipLayerNormalization(x)
})")
                          .graph()),
              testing::Contains("SkipLayerNormalization(x/float32) -> y/exact"));
  // Its first result is left out: only the sum is asked for.
  EXPECT_THAT(
      LinesOf(Simulated(R"(g (float16[2, 4] x, float16[2, 4] s, float16[4] w) => (float16[2, 4] t) {
  , , , t = com.microsoft.SkipSimplifiedLayerNormalization(x, s, w)
})")
                  .graph()),
      testing::Contains(testing::HasSubstr("SkipSimplifiedLayerNormalization(")));
}

TEST(SimulateHalf, LeavesMatMulNBitsToItsOwnKernel) {
  const std::string text = R"(g (float16[2, 16] x) => (float16[2, 1] y)
<uint8[1, 1, 8] w = {1, 2, 3, 4, 5, 6, 7, 8}, float16[1] s = {1}> {
  y = com.microsoft.MatMulNBits<K = 16, N = 1, block_size = 16>(x, w, s)
})";
  EXPECT_THAT(LinesOf(Simulated(text).graph()), ElementsAre("MatMulNBits(x, w, s) -> y"));
}

TEST(SimulateHalf, RoundsTheSumThatASkipNormNormalizes) {
  EXPECT_THAT(
      LinesOf(
          Simulated(R"(g (float16[2, 4] x, float16[2, 4] s) => (float16[2, 4] y, float16[2, 4] t)
<float16[4] w = {1, 1, 1, 1}> {
  y, , , t = com.microsoft.SkipSimplifiedLayerNormalization<epsilon = 0.5>(x, s, w)
})")
              .graph()),
      ElementsAre(
          "Cast(x) -> x/float32", "Cast(s) -> s/float32", "Cast(w) -> w/float32",
          "Add(x/float32, s/float32) -> y/exact/sum", "Cast(y/exact/sum) -> y/exact/sum/float16",
          "Cast(y/exact/sum/float16) -> y/exact/sum/rounded",
          "SimplifiedLayerNormalization(y/exact/sum/rounded, w/float32) -> y/exact",
          "Identity(y/exact/sum/rounded) -> t/exact", "Cast(y/exact) -> y", "Cast(t/exact) -> t"));
}

// As ONNX Runtime types it.
TEST(SimulateHalf, GivesANormOfMixedTypesTheTypeOfItsScale) {
  EXPECT_THAT(LinesOf(Simulated(R"(g (float16[2, 4] x) => (float16[2, 4] z)
<float[4] w = {1, 1, 1, 1}, float[2, 4] y> {
  y = SimplifiedLayerNormalization<axis = -1>(x, w)
  z = Cast<to = 10>(y)
})")
                          .graph()),
              ElementsAre("Cast(x) -> x/float32", "SimplifiedLayerNormalization(x/float32, w) -> y",
                          "Cast(y) -> z"));
}

TEST(SimulateHalf, GivesInfinityWhereAMeansSumDoesNotFit) {
  const onnx::ModelProto model =
      Simulated(R"(g (float16[2, 4] x) => (float16[2] y) <int64[1] axes = {1}> {
  y = ReduceMean<keepdims = 0>(x, axes)
})");
  EXPECT_THAT(LinesOf(model.graph()),
              ElementsAre("Cast(x) -> x/float32", "ReduceL1(x/float32, axes) -> y/exact/total",
                          "Cast(y/exact/total) -> y/exact/total/float16",
                          "Cast(y/exact/total/float16) -> y/exact/total/rounded",
                          "IsInf(y/exact/total/rounded) -> y/exact/lost",
                          "ReduceMean(x/float32, axes) -> y/exact/kept",
                          "Where(y/exact/lost, y/exact/total/rounded, y/exact/kept) -> y/exact",
                          "Cast(y/exact) -> y"));
}

TEST(SimulateHalf, WidensWhatABodyCapturesOutside) {
  const onnx::ModelProto model = Simulated(R"(g (bool c, float16[4] x) => (float16[4] z) {
  y = Exp(x)
  z = If(c) <
    then_branch = t () => (float16[4] a) { a = Sqrt(y) },
    else_branch = e () => (float16[4] b) { b = Identity(y) }
  >
})");
  const onnx::NodeProto& branch = model.graph().node(model.graph().node_size() - 1);
  ASSERT_EQ(branch.op_type(), "If");
  EXPECT_THAT(LinesOf(branch.attribute(0).g()),
              ElementsAre("Sqrt(y/float32) -> a/exact", "Cast(a/exact) -> a"));
}

TEST(SimulateHalf, TakesNamesThatAreFree) {
  const auto lines = LinesOf(Simulated(R"(g (float16[4] x) => (float16[4] z) {
  "x/float32" = Exp(x)
  z = Sqrt("x/float32")
})")
                                 .graph());
  EXPECT_EQ(lines[0], "Cast(x) -> x/float32_2");
}

}  // namespace
}  // namespace onnxquant
