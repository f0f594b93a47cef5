#include "lib/statistics/targets.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kHead[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>)";

absl::StatusOr<ObservedValues> Find(const std::string& text) {
  const onnx::ModelProto model = ParseModel(std::string(kHead) + text);
  const auto graph = Graph::Build(model, "m");
  EXPECT_TRUE(graph.ok()) << graph.status();
  const auto types = InferTypes(*graph, "m");
  EXPECT_TRUE(types.ok()) << types.status();
  return FindTargets(*graph, *types, "m");
}

// "a:64" by target.
std::vector<std::string> Names(const ObservedValues& targets) {
  std::vector<std::string> names;
  for (const ObservedValue& target : targets.values) {
    names.push_back(target.name + ":" + std::to_string(target.size));
  }
  return names;
}

TEST(Targets, AreTheInputsOfProductsEachOnce) {
  const auto targets = Find(R"(g (float[1, n, 64] x) => (float[1, n, 8] y, float[1, n, 4] z)
      <float[64, 32] a, float[64, 32] b, float[32, 8] c, float[64, 4] d> {
        p = MatMul(x, a)  q = MatMul(x, b)  r = Mul(p, q)  y = MatMul(r, c)  z = MatMul(x, d) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:64", "r:32"));
  EXPECT_EQ(targets->values[0].readers.size(), 3U);
  EXPECT_EQ(targets->values[0].weights.size(), 3U);
  EXPECT_TRUE(targets->others.empty());
}

TEST(Targets, AreFoundBehindTransposesCastsAndIdentities) {
  const auto targets = Find(R"(g (float[n, 64] x) => (float[n, 32] y, float[n, 16] z)
      <float[32, 64] a, float16[64, 16] b> {
        t = Transpose<perm = [1, 0]>(a)  i = Identity(t)  y = MatMul(x, i)
        c = Cast<to = 1>(b)  r = Relu(x)  z = MatMul(r, c) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:64", "r:64"));
}

TEST(Targets, KnowTheRowsOfGemmsAndEinsums) {
  const auto targets = Find(R"(g (float[n, 64] x) => (float[n, 16] z)
      <float[32, 64] a, float[32, 48] b, float[48, 16] e> {
        y = Gemm<transB = 1>(x, a)  w = Gemm(y, b)  z = Einsum<equation = "ik,kn->in">(w, e) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:64", "y:32", "w:48"));
}

TEST(Targets, KnowTheChannelsOfConvsThatSeeOnePlaceAndTheFirstAxisOfTransposedOperands) {
  const auto targets = Find(R"(g (float[1, 8, h, w] x, float[64, n] t)
        => (float[1, 4, h, w] z, float[n, 4] g)
      <float[16, 8, 1, 1] a, float[16, 16, 3, 3] b, float[4, 16, 1, 1] c, float[64, 4] d> {
        p = Conv(x, a)  q = Conv<pads = [1, 1, 1, 1]>(p, b)  z = Conv(q, c)
        g = Gemm<transA = 1>(t, d) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), UnorderedElementsAre("x:8", "q:16", "t:64"));
  for (const ObservedValue& target : targets->values) {
    EXPECT_EQ(target.along, target.name == "t" ? RowsAlong({0, 2}) : RowsAlong({1, 4}));
  }
  EXPECT_TRUE(targets->others.empty());
}

TEST(Targets, AreWhatTheFirstTableOfAMixtureOfExpertsReads) {
  const auto targets = Find(R"(g (float[n, 64] x, float[n, 4] r) => (float[n, 64] y)
      <float[4, 32, 64] a, float[4, 32] c, float[4, 64, 32] b, float[4, 64] d> {
        y = com.microsoft.MoE<k = 1, activation_type = "relu">(x, r, a, c, b, d) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:64"));
  EXPECT_THAT(targets->values[0].readers, ElementsAre(Use{0, 2}));
  EXPECT_THAT(targets->values[0].outputs, ElementsAre(128));
  ASSERT_EQ(targets->others.size(), 1U);
  EXPECT_THAT(targets->others[0].reason, HasSubstr("what its experts compute inside"));
}

TEST(Targets, AreNotReadInRowsAlongTwoAxes) {
  const auto targets = Find(R"(g (float[1, 8, h, 8] x) => (float[1, 4, h, 8] y, float[1, 8, h, 4] z)
      <float[4, 8, 1, 1] a, float[8, 4] b> { y = Conv(x, a)  z = MatMul(x, b) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:8"));
  ASSERT_EQ(targets->others.size(), 1U);
  EXPECT_THAT(targets->others[0].reason, HasSubstr("along another axis"));
}

TEST(Targets, LeaveOutWhatIsNoRowOfTokensAndSayWhy) {
  const auto targets = Find(R"(g (float[64, n] x, float[5, 64] y, bool b)
        => (float[n, 8] p, float[5, n] q, float[5, 8] r, float[5, 8] s)
      <float[64, 8] a, float[5, 64] c, float[64, 8] d, float[5, 64] k> {
        p = Gemm<transA = 1>(x, a)
        q = MatMul(c, x)
        r = If(b) <then_branch = g1 () => (float[5, 8] i) { i = MatMul(y, d) },
                   else_branch = g2 () => (float[5, 8] j) { j = MatMul(y, d) }>
        s = MatMul(y, a) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:64", "y:64"));
  std::string reasons;
  for (const Unobserved& other : targets->others)
    reasons += other.node + ": " + other.reason + "\n";
  EXPECT_EQ(targets->others.size(), 3U) << reasons;
  EXPECT_THAT(reasons, AllOf(HasSubstr("only the second operand"),
                             HasSubstr("stands in a body of the unnamed If node")));
}

TEST(Targets, AreNotReadInRowsOfTwoLengths) {
  // A damaged model, which a runtime refuses.
  const auto targets = Find(R"(g (float[n, k] x) => (float[n, 8] y, float[n, 8] z)
      <float[64, 8] a, float[32, 8] b> { y = MatMul(x, a)  z = MatMul(x, b) })");
  ASSERT_TRUE(targets.ok()) << targets.status();
  EXPECT_THAT(Names(*targets), ElementsAre("x:64"));
  ASSERT_EQ(targets->others.size(), 1U);
  EXPECT_THAT(targets->others[0].reason,
              HasSubstr("rows of 32 elements, another product rows of 64"));
}

TEST(Targets, AreRefusedForModelsOfCodes) {
  for (const char* text :
       {R"(g (float[n, 64] x) => (float[n, 64] y) <int8[64, 64] a, float s> {
             w = DequantizeLinear(a, s)  y = MatMul(x, w) })",
        R"(g (float[n, 64] x) => (float[n, 64] y) <uint8[64, 2, 16] a, float[128] s> {
             y = com.microsoft.MatMulNBits<K = 64, N = 64, bits = 4, block_size = 32>(x, a, s) })",
        R"(g (uint8[n, 64] x) => (int32[n, 64] y) <int8[64, 64] a> { y = MatMulInteger(x, a) })"}) {
    const auto targets = Find(text);
    EXPECT_EQ(KindOf(targets.status()), ErrorKind::kModel);
    EXPECT_THAT(targets.status().message(),
                AllOf(HasSubstr("m: the unnamed "), HasSubstr("calibrate the float32 model")));
  }
}

TEST(Targets, AreRefusedWhereThereAreNone) {
  const auto targets = Find("g (float[n] x) => (float[n] y) { y = Neg(x) }");
  EXPECT_EQ(KindOf(targets.status()), ErrorKind::kModel);
  EXPECT_THAT(targets.status().message(), HasSubstr("m: has no product whose input"));
}

}  // namespace
}  // namespace onnxquant
