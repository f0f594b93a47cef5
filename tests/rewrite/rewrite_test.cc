#include "lib/rewrite/rewrite.h"

#include "gmock/gmock.h"
#include "lib/base/error.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class RewriteTest : public RewriteFixture {};

constexpr char kTwoNodes[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4, 4] x) => (float[4, 4] z) <float[4, 4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}> {
  [first] y = MatMul(x, w)
  [second] z = Sqrt(y)
})";

TEST_F(RewriteTest, KeepsInputsAndOutputsInFloat32WithCastsAtTheBorder) {
  Load(kTwoNodes);
  const Rewritten out = Run(kFp16KeepIo);
  EXPECT_THAT(Lines(out), ElementsAre("Cast(x) -> x_float16", "MatMul(x_float16, w) -> y",
                                      "Sqrt(y) -> z_float16", "Cast(z_float16) -> z"));
  EXPECT_EQ(out.casts, 2);
  EXPECT_EQ(out.model.graph().input(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
  EXPECT_THAT(InitializerTypes(out), ElementsAre(Pair("w", onnx::TensorProto::FLOAT16)));
}

TEST_F(RewriteTest, ChangesInputsAndOutputsWhenThePolicySaysSo) {
  Load(kTwoNodes);
  const Rewritten out = Run(kFp16);
  EXPECT_THAT(Lines(out), ElementsAre("MatMul(x, w) -> y", "Sqrt(y) -> z"));
  const auto& graph = out.model.graph();
  EXPECT_EQ(graph.input(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT16);
  EXPECT_EQ(graph.output(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT16);
}

TEST_F(RewriteTest, ChangesOutputsThatAreConstants) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y, float[2] w, float[2] c) <float[2] w = {1, 2}> {
  c = Constant<value = float[2] {3, 4}>()
  y = Add(x, w)
})");
  EXPECT_THAT(Lines(Run(kFp16)), ElementsAre("Cast(w_float32) -> w", "Constant() -> c_float32",
                                             "Cast(c_float32) -> c", "Add(x, w) -> y"));
  EXPECT_THAT(Lines(Run(kFp16KeepIo)), Not(Contains("Cast(w_float32) -> w")));
}

TEST_F(RewriteTest, CastsAValueOncePerType) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  a = Sqrt(x)
  b = Exp(x)
  c = Abs(x)
  d = Add(a, b)
  z = Add(d, c)
})");
  const Rewritten out = Run(kFp16KeepIo);
  EXPECT_EQ(out.casts, 2);  // x in, z out
}

TEST_F(RewriteTest, NeverEmitsANodeWithFloatInputsOfTwoTypes) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4, 8] x) => (float[4, 8] z) <float[8] gain = {1, 1, 1, 1, 1, 1, 1, 1}> {
  [n] y = SimplifiedLayerNormalization<axis = -1>(x, gain)
  z = Sqrt(y)
})");
  const Rewritten out =
      Run(std::string(kFp16) + "rules:\n  - {match: {role: norm}, weights: float32}\n");
  EXPECT_THAT(Lines(out),
              ElementsAre("Cast(gain) -> gain_float16",
                          "SimplifiedLayerNormalization(x, gain_float16) -> y", "Sqrt(y) -> z"));
  const Rewritten island =
      Run(std::string(kFp16) +
          "rules:\n  - {match: {role: norm}, compute: float32, weights: float32}\n");
  EXPECT_THAT(Lines(island), ElementsAre("Cast(x) -> x_float32",
                                         "SimplifiedLayerNormalization(x_float32, gain) -> y",
                                         "Cast(y) -> y_float16", "Sqrt(y_float16) -> z"));
}

TEST_F(RewriteTest, PutsNoCastInsideAFloat32Region) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4, 8] x) => (float[4, 8] z) <float[8] gain = {1, 1, 1, 1, 1, 1, 1, 1}, int64[2] s = {4, 8}> {
  y = SimplifiedLayerNormalization<axis = -1>(x, gain)
  r = Reshape(y, s)
  q = SimplifiedLayerNormalization<axis = -1>(r, gain)
  z = Sqrt(q)
})");
  const Rewritten out =
      Run(std::string(kFp16) + "rules:\n  - {match: {role: norm}, compute: float32}\n");
  EXPECT_EQ(out.casts, 2);
}

TEST_F(RewriteTest, FoldsCastsThatNoLongerChangeTheType) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  y = Sqrt(x)
  c = Cast<to = 1>(y)
  z = Exp(c)
})");
  EXPECT_THAT(Lines(Run(kFp16)), ElementsAre("Sqrt(x) -> y", "Exp(y) -> z"));
}

TEST_F(RewriteTest, LetsAnExistingCastDoTheWorkAtTheBorder) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) {
  y = Sqrt(x)
  z = Cast<to = 1>(y)
})");
  const Rewritten out = Run(std::string(kFp16) + "rules:\n  - {match: {name: z}, io: float32}\n");
  EXPECT_THAT(Lines(out), ElementsAre("Sqrt(x) -> y", "Cast(y) -> z"));
}

TEST_F(RewriteTest, RewritesCastsFromIntegers) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[4] i, float[4] x) => (float[4] z) {
  f = Cast<to = 1>(i)
  z = Add(f, x)
})");
  const Rewritten out = Run(kFp16);
  EXPECT_EQ(FindAttribute(out.model.graph().node(0), "to")->i(), onnx::TensorProto::FLOAT16);
}

TEST_F(RewriteTest, TurnsAMatMulIntoMatMulNBits) {
  Load(kTwoNodes);
  const Rewritten out =
      Run("outputs:\n  q4: {compute: float32, weights: {format: int4, block: 32}, io: float32, "
          "accuracy_level: 4}\n");
  const onnx::NodeProto& node = out.model.graph().node(0);
  EXPECT_EQ(node.op_type(), "MatMulNBits");
  EXPECT_EQ(node.domain(), "com.microsoft");
  EXPECT_EQ(node.name(), "first_Q4");
  EXPECT_THAT(node.input(), ElementsAre("x", "w_Q4", "w_scales"));
  EXPECT_EQ(IntAttribute(node, "K", 0), 4);
  EXPECT_EQ(IntAttribute(node, "N", 0), 4);
  EXPECT_EQ(IntAttribute(node, "bits", 0), 4);
  EXPECT_EQ(IntAttribute(node, "block_size", 0), 32);
  EXPECT_EQ(IntAttribute(node, "accuracy_level", 0), 4);
  ASSERT_EQ(out.model.opset_import_size(), 2);
  EXPECT_EQ(out.model.opset_import(1).domain(), "com.microsoft");
}

TEST_F(RewriteTest, DropsTheTransposeThatOnlyFedA4BitMatMul) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 16] x) => (float[2, 3] z) <float[3, 16] w> {
  t = Transpose<perm = [1, 0]>(w)
  z = MatMul(x, t)
})");
  const Rewritten out =
      Run("outputs:\n  q4: {compute: float32, weights: {format: int4, block: 16}, io: float32}\n");
  EXPECT_THAT(Lines(out), ElementsAre("MatMulNBits(x, w_Q4, w_scales) -> z"));
  EXPECT_EQ(out.model.graph().initializer_size(), 2);
  EXPECT_EQ(IntAttribute(out.model.graph().node(0), "N", 0), 3);
}

TEST_F(RewriteTest, StoresASharedConstantOncePerType) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y, float[2] z) <float[2] w = {1, 2}> {
  [keep] y = Mul(x, w)
  [half] z = Add(x, w)
})");
  const Rewritten out =
      Run(std::string(kFp16) + "rules:\n  - {match: {name: keep}, compute: float32}\n");
  EXPECT_THAT(InitializerTypes(out),
              UnorderedElementsAre(Pair("w", onnx::TensorProto::FLOAT),
                                   Pair("w_float16", onnx::TensorProto::FLOAT16)));
}

TEST_F(RewriteTest, ConvertsConstantNodesInPlace) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] z) {
  c = Constant<value_float = 0.5>()
  d = Constant<value = float[2] {1, 2}>()
  y = Mul(x, c)
  z = Add(y, d)
})");
  const Rewritten out = Run(kFp16);
  ASSERT_EQ(out.model.graph().node_size(), 4);
  for (int i = 0; i < 2; ++i) {
    const auto* value = FindAttribute(out.model.graph().node(i), "value");
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(value->t().data_type(), onnx::TensorProto::FLOAT16);
  }
  EXPECT_EQ(FindAttribute(out.model.graph().node(0), "value")->t().raw_data(),
            std::string("\x00\x38", 2));
}

TEST_F(RewriteTest, RefusesAConstantBeyondFloat16UnlessThePolicySaysClamp) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] z) {
  [fill] c = Constant<value_float = -3e38>()
  z = Mul(x, c)
})");
  const auto refused = Try(kFp16);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("node 'fill' (Constant): 1 value lies beyond float16's 65504"));
  const Rewritten clamped = Run(
      "outputs:\n  fp16: {compute: float16, weights: float16, io: float16, constants: {overflow: "
      "clamp}}\n");
  EXPECT_EQ(FindAttribute(clamped.model.graph().node(0), "value")->t().raw_data(),
            std::string("\xff\xfb", 2));
  ASSERT_EQ(clamped.warnings.size(), 1U);
}

TEST_F(RewriteTest, ConvertsTheBranchesOfAnIf) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) <float[4] w = {1, 2, 3, 4}> {
  y = Sqrt(x)
  v = Mul(y, w)
  z = If(c) <
    then_branch = t () => (float[4] a) { a = Add(y, w) },
    else_branch = e () => (float[4] b) { b = Neg(v) }
  >
})");
  const Rewritten out = Run(kFp16);
  const onnx::NodeProto* branch = nullptr;
  for (const auto& node : out.model.graph().node()) {
    if (node.op_type() == "If") branch = &node;
  }
  ASSERT_NE(branch, nullptr);
  EXPECT_THAT(FindAttribute(*branch, "then_branch")->g().node(0).input(), ElementsAre("y", "w"));
  EXPECT_THAT(FindAttribute(*branch, "else_branch")->g().node(0).input(), ElementsAre("v"));
  EXPECT_THAT(InitializerTypes(out), UnorderedElementsAre(Pair("w", onnx::TensorProto::FLOAT16)));
  EXPECT_EQ(FindAttribute(*branch, "then_branch")->g().output(0).type().tensor_type().elem_type(),
            onnx::TensorProto::FLOAT16);
}

TEST_F(RewriteTest, DeclaresNoTypeOfAConstantThatChanged) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) <float two, float[4] y> {
  two = Constant<value = float {2.0}>()
  y = Mul(x, two)
  z = Sqrt(y)
})");
  const Rewritten out = Run(kFp16);
  ASSERT_EQ(out.model.graph().value_info_size(), 1);
  EXPECT_EQ(out.model.graph().value_info(0).name(), "y");
}

TEST_F(RewriteTest, NamesTheTypesOfBfloat16) {
  Load(kTwoNodes);
  const Rewritten out =
      Run("outputs:\n  bf16: {compute: bfloat16, weights: bfloat16, io: float32}\n");
  EXPECT_THAT(Lines(out), ElementsAre("Cast(x) -> x_bfloat16", "MatMul(x_bfloat16, w) -> y",
                                      "Sqrt(y) -> z_bfloat16", "Cast(z_bfloat16) -> z"));
  EXPECT_THAT(InitializerTypes(out), ElementsAre(Pair("w", onnx::TensorProto::BFLOAT16)));
}

TEST_F(RewriteTest, KeepsAnUnknownOperatorInFloat32) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21, "my.domain" : 1]>
g (float[4] x) => (float[4] z) <float[4] y> {
  y = my.domain.Mystery(x)
  z = Sqrt(y)
})");
  const Rewritten out = Run(kFp16);
  EXPECT_THAT(Lines(out), ElementsAre("Cast(x) -> x_float32", "Mystery(x_float32) -> y",
                                      "Cast(y) -> y_float16", "Sqrt(y_float16) -> z"));
}

TEST_F(RewriteTest, DeclaresTheNewTypesOfValues) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) <float[4] y> {
  y = Sqrt(x)
  z = Exp(y)
})");
  const Rewritten out = Run(kFp16);
  ASSERT_EQ(out.model.graph().value_info_size(), 1);
  EXPECT_EQ(out.model.graph().value_info(0).type().tensor_type().elem_type(),
            onnx::TensorProto::FLOAT16);
}

TEST_F(RewriteTest, APlanThatKeepsEverythingChangesNothing) {
  Load(kTwoNodes);
  const Rewritten out =
      Run("outputs:\n  fp16: {compute: float32, weights: float32, io: float32}\n");
  EXPECT_THAT(Lines(out), ElementsAre("MatMul(x, w) -> y", "Sqrt(y) -> z"));
  EXPECT_EQ(out.casts, 0);
}

TEST_F(RewriteTest, KeepsShapesInline) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[n] z) <int64[1] s = {-1}> { z = Reshape(x, s) })");
  const Rewritten out = Run(kFp16);
  ASSERT_EQ(out.keep_inline.size(), 1U);
  EXPECT_TRUE(out.keep_inline[0]);
}

TEST_F(RewriteTest, ACastThatChangesNothingAnyMoreIsFoldedWhereAnotherMakesTheOutput) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y, float[2] z) {
  a = Sqrt(x)
  y = Cast<to = 1>(a)
  z = Sin(y)
})");
  EXPECT_THAT(Lines(Run(kFp16KeepIo)),
              ElementsAre("Cast(x) -> x_float16", "Sqrt(x_float16) -> a", "Cast(a) -> y",
                          "Sin(a) -> z_float16", "Cast(z_float16) -> z"));
}

TEST_F(RewriteTest, AFoldedCastsValueSharesTheCastOfItsInput) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y, float[2] z) {
  [kept] a = Cast<to = 1>(x)
  y = Sqrt(x)
  z = Sqrt(a)
})");
  const Rewritten out =
      Run(std::string(kFp16KeepIo) + "rules:\n  - {match: {name: kept}, keep: true}\n");
  EXPECT_THAT(Lines(out), ElementsAre("Cast(x) -> x_float16", "Sqrt(x_float16) -> y_float16",
                                      "Cast(y_float16) -> y", "Sqrt(x_float16) -> z_float16",
                                      "Cast(z_float16) -> z"));
}

TEST_F(RewriteTest, WeightsThatOnlyDeadNodesReadAreLeftOut) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y) <float[2] w = {1, 2}, float[2] v = {3, 4}, float[2] u = {5, 6}> {
  dead = Mul(x, w)
  a = Mul(x, v)
  y = Mul(a, u)
})");
  EXPECT_THAT(InitializerTypes(Run(kFp16)), ElementsAre(Pair("u", 10), Pair("v", 10)));
}

TEST_F(RewriteTest, WhatGaveACastLikeItsTypeIsLeftOutWithoutMovingTheOtherWeights) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64[2] i, float[2] x) => (float[2] y) <float k = {1}, float[2] w = {1, 2}> {
  a = CastLike(i, k)
  b = Mul(a, x)
  y = Mul(b, w)
})");
  const Rewritten out = Run(kFp16);
  EXPECT_THAT(InitializerTypes(out), ElementsAre(Pair("w", 10)));
  ASSERT_EQ(out.jobs.size(), 1U);
  EXPECT_EQ(out.jobs[0].source->name(), "w");
  EXPECT_THAT(out.jobs[0].targets, ElementsAre(0));
  EXPECT_THAT(out.bytes, ElementsAre(4U));
}

}  // namespace
}  // namespace onnxquant
