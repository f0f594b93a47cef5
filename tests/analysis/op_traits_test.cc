#include "lib/analysis/op_traits.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

// Traits of the last node of a model with a few typed inputs.
NodeTraits TraitsOfLast(const std::string& nodes) {
  const onnx::ModelProto model =
      ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "mine" : 1]>
g (float[1, 1, 4, 4] x, int64[4] i, float[4] s, bool b) => (float[4] unused) {
  unused = Identity(s)
)" + nodes + "\n}");
  const auto graph = Graph::Build(model, "m.onnx");
  EXPECT_TRUE(graph.ok()) << graph.status();
  const auto types = InferTypes(*graph, "m.onnx");
  EXPECT_TRUE(types.ok()) << types.status();
  return TraitsOf(*graph, static_cast<NodeId>(model.graph().node_size()) - 1, *types);
}

TEST(OpTraits, ArithmeticFollowsTheComputeType) {
  const NodeTraits traits = TraitsOfLast("y = Add(x, x)");
  EXPECT_TRUE(traits.CanChange());
  EXPECT_FALSE(traits.moves_data);
  EXPECT_THAT(traits.inputs, ElementsAre(SlotRule::kFollows, SlotRule::kFollows));
  EXPECT_THAT(traits.outputs, ElementsAre(SlotRule::kFollows));
}

TEST(OpTraits, ResizeKeepsItsScalesInFloat32) {
  const NodeTraits traits = TraitsOfLast("y = Resize(x, s, s)");
  EXPECT_THAT(traits.inputs,
              ElementsAre(SlotRule::kFollows, SlotRule::kFloat32, SlotRule::kFloat32));
}

TEST(OpTraits, AnOperatorWithoutAHalfFormStays) {
  EXPECT_STREQ(TraitsOfLast("y = NonMaxSuppression(x, x)").fixed_because,
               "no float slot that may change");
}

TEST(OpTraits, NormsTakeGainAndInputInOneType) {
  EXPECT_THAT(TraitsOfLast("y = LayerNormalization(x, s, s)").inputs,
              ElementsAre(SlotRule::kFollows, SlotRule::kFollows, SlotRule::kFollows));
  EXPECT_THAT(TraitsOfLast("y = SimplifiedLayerNormalization(x, s)").inputs,
              ElementsAre(SlotRule::kFollows, SlotRule::kFollows));
}

TEST(OpTraits, CastFromFloatReadsAnyType) {
  const NodeTraits traits = TraitsOfLast("y = Cast<to = 1>(x)");
  EXPECT_TRUE(traits.float_cast);
  EXPECT_THAT(traits.inputs, ElementsAre(SlotRule::kAny));
  EXPECT_THAT(traits.outputs, ElementsAre(SlotRule::kFollows));
  const NodeTraits from_integers = TraitsOfLast("y = Cast<to = 1>(i)");
  EXPECT_FALSE(from_integers.float_cast);
  EXPECT_STREQ(from_integers.type_attribute, "to");
}

TEST(OpTraits, UnknownOperatorsStayFloat32) {
  EXPECT_STREQ(TraitsOfLast("y = mine.Mystery(x)").fixed_because, "unknown operator");
}

TEST(OpTraits, ControlFlowTakesTheTypeThatItsBodiesHandOn) {
  const NodeTraits traits = TraitsOfLast(R"(y = If(b) <
    then_branch = t () => (float[4] p) { p = Identity(s) },
    else_branch = e () => (float[4] q) { q = Identity(s) }
  >)");
  EXPECT_TRUE(traits.CanChange());
  EXPECT_TRUE(traits.moves_data);
  EXPECT_THAT(traits.inputs, ElementsAre(SlotRule::kOther));
  EXPECT_THAT(traits.outputs, ElementsAre(SlotRule::kFollows));
}

TEST(OpTraits, OtherOperatorsWithBodiesStayFloat32) {
  EXPECT_STREQ(TraitsOfLast(R"(y = mine.Repeat(x) <
    body = t () => (float[4] p) { p = Identity(s) }
  >)")
                   .fixed_because,
               "holds a subgraph and is no If, Loop or Scan");
}

TEST(OpTraits, WhatReinterpretsBitsOrReducesDuplicatesStaysFloat32) {
  EXPECT_STREQ(TraitsOfLast("y = ScatterND<reduction = \"add\">(x, i, s)").fixed_because,
               "ONNX Runtime's float16 kernel does not reduce");
  EXPECT_TRUE(TraitsOfLast("y = ScatterND(x, i, s)").CanChange());
}

TEST(OpTraits, QuantizingKeepsTheScalesThatWereChosenForIt) {
  EXPECT_STREQ(TraitsOfLast("y = QuantizeLinear<output_dtype = 2>(x, s)").fixed_because,
               "its scale belongs to the quantized numbers");
  const NodeTraits half =
      TraitsOfLast("h = Cast<to = 10>(x) t = Cast<to = 10>(s) y = QuantizeLinear(h, t)");
  EXPECT_TRUE(half.only_widens);
  EXPECT_TRUE(half.CanChange());
}

TEST(OpTraits, WhatMayNotBeHalfMayBecomeFloat32) {
  EXPECT_NE(TraitsOfLast("y = ScatterND<reduction = \"add\">(x, i, s)").fixed_because, nullptr);
  const NodeTraits half = TraitsOfLast(
      "h = Cast<to = 10>(x) t = Cast<to = 10>(s) y = ScatterND<reduction = \"add\">(h, i, t)");
  EXPECT_STREQ(half.float32_because, "ONNX Runtime's float16 kernel does not reduce");
  EXPECT_TRUE(half.CanChange());
  EXPECT_THAT(half.outputs, ElementsAre(SlotRule::kFollows));
}

TEST(OpTraits, EveryFloatTypeIsDecided) {
  for (const char* to : {"1", "10", "11", "16"}) {
    const NodeTraits traits = TraitsOfLast(absl::StrCat("f = Cast<to = ", to, ">(i) y = Neg(f)"));
    EXPECT_TRUE(traits.CanChange()) << to;
    EXPECT_THAT(traits.outputs, ElementsAre(SlotRule::kFollows)) << to;
  }
}

TEST(OpTraits, CastLikeTakesWhateverItIsLikenedTo) {
  const NodeTraits traits = TraitsOfLast("y = CastLike(i, s)");
  EXPECT_THAT(traits.inputs, ElementsAre(SlotRule::kOther, SlotRule::kAny));
  EXPECT_THAT(traits.outputs, ElementsAre(SlotRule::kFollows));
}

TEST(OpTraits, Bfloat16AsksTheSchemasOfItsOwn) {
  const onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 12]>
g (float[4] x) => (float[4] y) { y = Sqrt(x) })");
  const auto graph = Graph::Build(model, "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  const auto types = InferTypes(*graph, "m.onnx");
  ASSERT_TRUE(types.ok()) << types.status();
  EXPECT_TRUE(TraitsOf(*graph, 0, *types, ElementType::kFloat16).CanChange());
  EXPECT_FALSE(TraitsOf(*graph, 0, *types, ElementType::kBFloat16).CanChange());
}

TEST(OpTraits, ClipStaysFloat32InsteadOfBFloat16WhereItsFunctionCannotTakeIt) {
  for (const int opset : {13, 16}) {
    const onnx::ModelProto model =
        ParseModel(absl::StrCat("<ir_version: 8, opset_import: [\"\" : ", opset,
                                "]> g (float[4] x, float a) => (float[4] y) { y = Clip(x, a) }"));
    const auto graph = Graph::Build(model, "m.onnx");
    ASSERT_TRUE(graph.ok()) << graph.status();
    const auto types = InferTypes(*graph, "m.onnx");
    ASSERT_TRUE(types.ok()) << types.status();
    EXPECT_TRUE(TraitsOf(*graph, 0, *types, ElementType::kFloat16).CanChange());
    EXPECT_EQ(TraitsOf(*graph, 0, *types, ElementType::kBFloat16).CanChange(), opset == 16);
  }
}

TEST(OpTraits, SequencesStayFloat32) {
  EXPECT_STREQ(TraitsOfLast("y = SequenceConstruct(x, x)").fixed_because,
               "touches a value that is no tensor");
}

TEST(OpTraits, EachContribOperatorHasOneRowOfKnownLetters) {
  for (const char* op : {"GroupQueryAttention", "MatMulNBits", "RotaryEmbedding"}) {
    const ContribOp* row = FindContribOp("com.microsoft", op);
    ASSERT_NE(row, nullptr) << op;
    for (const std::string letters : {row->inputs, row->outputs}) {
      EXPECT_EQ(letters.find_first_not_of("THF-"), std::string::npos) << op;
    }
  }
  EXPECT_EQ(FindContribOp("mine", "MatMulNBits"), nullptr);
  EXPECT_EQ(SlotLetter("T-", 0), 'T');
  EXPECT_EQ(SlotLetter("T-", 5), '-');
}

}  // namespace
}  // namespace onnxquant
