// Sources in other types than float32: what a policy says holds for them as well.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rewrite/rewrite_fixture.h"
#include "tests/support/half_model.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// A block with a residual sum, a norm and two projections.
constexpr char kBlock[] = R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (int64[batch_size, s] input_ids) => (float[b, s, 64] logits)
<float[64, 32] table, float[32] gain, float[32, 32] w1, float[32, 32] w2,
 int64[3] shape = {0, 0, -1}, float scale = {5.5}> {
  embedded = Gather<axis = 0>(table, input_ids)
  x = Mul(embedded, scale)
  normed = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(x, gain)
  a = MatMul(normed, w1)
  reshaped = Reshape(a, shape)
  hidden = MatMul(reshaped, w2)
  sum = Add(x, hidden)
  head = Transpose<perm = [1, 0]>(table)
  logits = MatMul(sum, head)
})";

constexpr char kSafe[] = R"(
outputs:
  fp16: {compute: float16, weights: float16, io: float16}
rules:
  - {match: {role: [residual, norm]}, compute: float32, weights: float32}
)";

class SourcesTest : public RewriteFixture {
 protected:
  void LoadProto(onnx::ModelProto proto) {
    auto model = Model::FromProto(std::move(proto), "m.onnx");
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = std::make_unique<Model>(*std::move(model));
    auto analysis = Analyze(model_->proto(), "m.onnx");
    ASSERT_TRUE(analysis.ok()) << analysis.status();
    analysis_.emplace(*std::move(analysis));
  }

  // What the policy makes of what it has made already.
  Rewritten Again(const Rewritten& before, const std::string& yaml) {
    onnx::ModelProto model = before.model;
    for (int i = 0; i < model.graph().initializer_size(); ++i) {
      model.mutable_graph()->mutable_initializer(i)->set_raw_data(
          std::string(before.bytes[static_cast<std::size_t>(i)], '\0'));
    }
    LoadProto(std::move(model));
    return Run(yaml);
  }
};

TEST_F(SourcesTest, AHalfSourceComesToTheSameNodesAndTypesAsFloat32) {
  Load(kBlock);
  const Rewritten from_float32 = Run(kSafe);
  LoadProto(InHalf(ParseModel(kBlock)));
  const Rewritten from_half = Run(kSafe);
  EXPECT_EQ(Lines(from_half), Lines(from_float32));
  EXPECT_EQ(InitializerTypes(from_half), InitializerTypes(from_float32));
  EXPECT_EQ(from_half.casts, from_float32.casts);
  EXPECT_THAT(InitializerTypes(from_half), Contains(Pair("gain", onnx::TensorProto::FLOAT)));
}

TEST_F(SourcesTest, ConvertingARightFileAgainChangesNothing) {
  Load(kBlock);
  const Rewritten once = Run(kSafe);
  const Rewritten twice = Again(once, kSafe);
  EXPECT_EQ(Lines(twice), Lines(once));
  EXPECT_EQ(InitializerTypes(twice), InitializerTypes(once));
  EXPECT_EQ(twice.model.graph().value_info_size(), once.model.graph().value_info_size());
}

TEST_F(SourcesTest, Float32OnAHalfNodeWidensItAndLeavesItsWeightAsItIs) {
  LoadProto(InHalf(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 32] x) => (float[2, 32] z) <float[32, 32] w, float[32, 32] v> {
  y = MatMul(x, w)
  z = MatMul(y, v)
})")));
  const Rewritten rewritten =
      Run(std::string(kFp16) + "rules:\n  - {match: {weight: w}, compute: float32}\n");
  EXPECT_THAT(Lines(rewritten), ElementsAre("Cast(x) -> x_float32", "Cast(w) -> w_float32",
                                            "MatMul(x_float32, w_float32) -> y",
                                            "Cast(y) -> y_float16", "MatMul(y_float16, v) -> z"));
  EXPECT_THAT(InitializerTypes(rewritten), Contains(Pair("w", onnx::TensorProto::FLOAT16)));
}

TEST_F(SourcesTest, WeightsSaysHowAHalfConstantIsStored) {
  LoadProto(InHalf(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 32] x) => (float[2, 32] y) <float[32, 32] w> { y = MatMul(x, w) })")));
  const Rewritten rewritten = Run(std::string(kFp16) +
                                  "rules:\n  - {match: {weight: w}, compute: float32, weights: "
                                  "float32}\n");
  EXPECT_THAT(InitializerTypes(rewritten), ElementsAre(Pair("w", onnx::TensorProto::FLOAT)));
}

TEST_F(SourcesTest, IoHoldsForHalfInputsAndOutputs) {
  LoadProto(InHalf(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y) { y = Relu(x) })")));
  const Rewritten rewritten = Run(kFp16KeepIo);
  EXPECT_THAT(Lines(rewritten), ElementsAre("Cast(x) -> x_float16", "Relu(x_float16) -> y_float16",
                                            "Cast(y_float16) -> y"));
  EXPECT_EQ(rewritten.model.graph().input(0).type().tensor_type().elem_type(),
            onnx::TensorProto::FLOAT);
}

TEST_F(SourcesTest, CastsOfTheSourceVanishWhereBothSidesComeToOneType) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2] x) => (float[2] y) {
  h = Cast<to = 10>(x)
  r = Relu(h)
  back = Cast<to = 1>(r)
  y = Exp(back)
})");
  EXPECT_THAT(Lines(Run("outputs:\n  fp32: {compute: float32, weights: float32, io: float32}\n")),
              ElementsAre("Relu(x) -> r", "Exp(r) -> y"));
}

TEST_F(SourcesTest, AnOutputKeepsItsNameWhereTheCastThatMadeItIsLeftOut) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[2] x) => (float[2] y) {
  r = Relu(x)
  y = Cast<to = 1>(r)
})");
  EXPECT_THAT(Lines(Run("outputs:\n  fp32: {compute: float32, weights: float32, io: float32}\n")),
              ElementsAre("Relu(x) -> y"));
}

TEST_F(SourcesTest, AClampOfTheResidualStreamIsTakenOutWhereTheSumIsFloat32) {
  onnx::ModelProto model = InHalf(ParseModel(R"(
<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (float[b, 32] x) => (float[b, 32] z)
<float[32] gain, float[32, 32] w, float low = {-32752.0}, float high = {32752.0}> {
  normed = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(x, gain)
  a = MatMul(normed, w)
  sum = Add(x, a)
  clipped = Clip(sum, low, high)
  z = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(clipped, gain)
})"));
  LoadProto(model);
  EXPECT_THAT(Lines(Run(kSafe)), Contains("SimplifiedLayerNormalization(sum, gain) -> z_float32"));
  EXPECT_THAT(plan_.residual, HasSubstr("1 Clip of its sums to ±32752 taken out"));
  // A sum that stays float16 keeps it.
  EXPECT_THAT(Lines(Run(kFp16)), Contains("Clip(sum, low, high) -> clipped"));
}

TEST_F(SourcesTest, ANormOfMixedTypesIsNeverKept) {
  onnx::ModelProto model = InHalf(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[b, 32] x) => (float[b, 32] y) <float[32] gain> {
  y = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(x, gain)
})"));
  onnx::TensorProto& gain = *model.mutable_graph()->mutable_initializer(0);
  gain.set_data_type(onnx::TensorProto::FLOAT);
  gain.clear_float_data();
  gain.clear_int32_data();
  gain.set_raw_data(std::string(32 * 4, '\0'));
  LoadProto(model);
  const char* keep = R"(
outputs:
  fp16: {compute: source, weights: source, io: source}
rules:
  - {match: {role: norm}, keep: true}
)";
  EXPECT_THAT(Lines(Run(keep)), ElementsAre("Cast(x) -> x_float32",
                                            "SimplifiedLayerNormalization(x_float32, gain) -> "
                                            "y_float32",
                                            "Cast(y_float32) -> y"));
}

TEST_F(SourcesTest, SourceLeavesTypesAsTheyAre) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[2] x, double[2] d) => (float16[2] y, double[2] e, float[2] f) {
  y = Relu(x)
  e = Exp(d)
  wide = Cast<to = 1>(y)
  f = Log(wide)
})");
  const Rewritten rewritten =
      Run("outputs:\n  fp16: {compute: source, weights: source, io: source}\n");
  EXPECT_THAT(Lines(rewritten), ElementsAre("Relu(x) -> y", "Exp(d) -> e", "Cast(y) -> y_float32",
                                            "Log(y_float32) -> f"));
}

TEST_F(SourcesTest, Float64IsNarrowedUnderTheSameOverflowRules) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (double[2] x) => (double[2] y) {
  c = Constant<value = double[2] {1e300, 1.0}>()
  y = Add(x, c)
})");
  const char* fp32 = "outputs:\n  fp32: {compute: float32, weights: float32, io: float32}\n";
  EXPECT_THAT(std::string(Try(fp32).status().message()),
              HasSubstr("1 value lies beyond float32's 3.4e38 (the largest magnitude is 1e+300)"));
  const Rewritten clamped = Run(
      "outputs:\n  fp32: {compute: float32, weights: float32, io: float32, constants: {overflow: "
      "clamp}}\n");
  EXPECT_THAT(clamped.warnings, Contains(HasSubstr("clamped to ±3.4e38")));
}

TEST_F(SourcesTest, CodesKeepTheirBytesAndScalesTakeTheTypeThatIsComputedIn) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (float16[2, 32] x, uint8[8, 1, 16] codes) => (float16[2, 8] y) <float16[8] scales> {
  y = com.microsoft.MatMulNBits<K = 32, N = 8, bits = 4, block_size = 32>(x, codes, scales)
})");
  const Rewritten rewritten =
      Run("outputs:\n  q4: {compute: float32, weights: int4, io: float32, accuracy_level: 4}\n");
  EXPECT_THAT(InitializerTypes(rewritten), ElementsAre(Pair("scales", onnx::TensorProto::FLOAT)));
  EXPECT_EQ(IntAttribute(rewritten.model.graph().node(0), "accuracy_level", 0), 4);
}

TEST_F(SourcesTest, ScalesOfQuantizeLinearAndDequantizeLinearStay) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 8] x, int8[8, 8] codes) => (float[2, 8] y) <float scale = {4e-7}> {
  w = DequantizeLinear(codes, scale)
  y = MatMul(x, w)
})");
  EXPECT_THAT(InitializerTypes(Run(kFp16)), Contains(Pair("scale", onnx::TensorProto::FLOAT)));
}

TEST_F(SourcesTest, ArithmeticBetweenQuantizedValuesStaysFloat32) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (int8[2, 8] q, int8[8, 8] codes) => (int8[2, 8] p) <float s = {0.1}> {
  x = DequantizeLinear(q, s)
  w = DequantizeLinear(codes, s)
  y = MatMul(x, w)
  p = QuantizeLinear<output_dtype = 3>(y, s)
})");
  const Rewritten rewritten = Run(kFp16);
  EXPECT_EQ(rewritten.casts, 0);
}

constexpr char kFp32[] = "outputs:\n  fp32: {compute: float32, weights: float32, io: float32}\n";
constexpr char kSource[] = "outputs:\n  fp16: {compute: source, weights: source, io: source}\n";

TEST_F(SourcesTest, ATransposeBetweenAWeightAndItsCastStays) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 32] x) => (float[2, 8] y) <float16[8, 32] w> {
  t = Transpose<perm = [1, 0]>(w)
  c = Cast<to = 1>(t)
  y = MatMul(x, c)
})");
  EXPECT_THAT(Lines(Run(kFp32)), ElementsAre("Transpose(w) -> t", "MatMul(x, t) -> y"));
  EXPECT_THAT(Lines(Run(kFp16KeepIo)), Contains("Transpose(w) -> t"));
}

TEST_F(SourcesTest, OfTwoCopiesBehindOneTransposeTheWiderIsTransposed) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 32] x) => (float[2, 8] y, float[2, 8] z) <float[8, 32] w> {
  t = Transpose<perm = [1, 0]>(w)
  y = MatMul(x, t)
  [wide] z = MatMul(x, t)
})");
  const Rewritten rewritten =
      Run(std::string(kFp16KeepIo) + "rules:\n  - {match: {name: wide}, compute: float32}\n");
  EXPECT_THAT(InitializerTypes(rewritten), Contains(Pair("w", onnx::TensorProto::FLOAT)));
  EXPECT_THAT(Lines(rewritten), Contains("MatMul(x, t) -> z"));
}

TEST_F(SourcesTest, WhatABodyGivesIsMadeInIt) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[2] x, bool b) => (float[2] y) {
  y = If (b) <
    then_branch = t () => (float[2] p) { p = Cast<to = 1>(x) },
    else_branch = e () => (float[2] q) { n = Neg(x) q = Cast<to = 1>(n) }
  >
})");
  for (const char* policy : {kFp32, kFp16KeepIo, kSource}) {
    const Rewritten rewritten = Run(policy);
    for (const onnx::NodeProto& node : rewritten.model.graph().node()) {
      if (node.op_type() != "If") continue;
      for (const onnx::AttributeProto& body : node.attribute()) {
        ASSERT_GT(body.g().node_size(), 0);
        EXPECT_EQ(body.g().node(body.g().node_size() - 1).output(0), body.g().output(0).name());
      }
    }
  }
}

TEST_F(SourcesTest, AConstantIsWidenedToFloat64WhereThatIsComputedIn) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (double[2] x) => (double[2] y) {
  c = Constant<value = float[2] {0.5, 3.0}>()
  d = Cast<to = 11>(c)
  y = Add(x, d)
})");
  const Rewritten rewritten = Run(kSource);
  EXPECT_THAT(Lines(rewritten), Contains("Add(x, c) -> y"));
  const onnx::TensorProto& c = rewritten.model.graph().node(0).attribute(0).t();
  ASSERT_EQ(c.data_type(), onnx::TensorProto::DOUBLE);
  const std::vector<double> expected = {0.5, 3.0};
  EXPECT_EQ(c.raw_data(), std::string(reinterpret_cast<const char*>(expected.data()), 16));
}

TEST_F(SourcesTest, AClampStaysWhereHalvesReadTheSum) {
  LoadProto(InHalf(ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
g (float[b, 32] x) => (float[b, 32] z)
<float[32] gain, float[32, 32] w, float low = {-32752.0}, float high = {32752.0}> {
  normed = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(x, gain)
  a = MatMul(normed, w)
  sum = Add(x, a)
  clipped = Clip(sum, low, high)
  z = SimplifiedLayerNormalization<axis = -1, epsilon = 1e-6>(clipped, gain)
})")));
  const Rewritten rewritten =
      Run(std::string(kFp16) + "rules:\n  - {match: {role: residual}, compute: float32}\n");
  EXPECT_THAT(Lines(rewritten), Contains(HasSubstr("Clip(sum")));
}

TEST_F(SourcesTest, KeepLeavesAnOperatorOfSeveralTypesAsItIs) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[2] x) => (float16[2] y) <float e = {2.0}> { y = Pow(x, e) })");
  const Rewritten rewritten =
      Run(std::string(kFp32) + "rules:\n  - {match: {op: Pow}, keep: true}\n");
  EXPECT_THAT(Lines(rewritten),
              ElementsAre("Cast(x) -> x_float16", "Pow(x_float16, e) -> y_float16",
                          "Cast(y_float16) -> y"));
}

TEST_F(SourcesTest, ACastBehindAWeightThatARuleKeepsStays) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 32] x) => (float[2, 8] y) <float16[32, 8] w> {
  c = Cast<to = 1>(w)
  y = MatMul(x, c)
})");
  const Rewritten rewritten =
      Run(std::string(kSource) + "rules:\n  - {match: {op: Cast}, keep: true}\n");
  EXPECT_THAT(Lines(rewritten), ElementsAre("Cast(w) -> c", "MatMul(x, c) -> y"));
}

TEST_F(SourcesTest, AnOutputsNameIsNotTakenWhereABodyHasIt) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float16[2] x, bool b) => (float[2] y, float[2] o) {
  m = Relu(x)
  y = Cast<to = 1>(m)
  o = If (b) <
    then_branch = t () => (float[2] p) { y = Neg(m) p = Cast<to = 1>(y) },
    else_branch = e () => (float[2] q) { q = Cast<to = 1>(x) }
  >
})");
  EXPECT_THAT(Lines(Run(kFp32)), Contains("Cast(m) -> y"));
}

}  // namespace
}  // namespace onnxquant
