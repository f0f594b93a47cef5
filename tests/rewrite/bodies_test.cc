// Bodies of If, Loop and Scan, and of operators whose bodies may not change.
#include "gmock/gmock.h"
#include "tests/rewrite/rewrite_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class BodiesTest : public RewriteFixture {
 protected:
  static const onnx::GraphProto& BodyOf(const Rewritten& rewritten, const std::string& op,
                                        const std::string& attribute) {
    for (const onnx::NodeProto& node : rewritten.model.graph().node()) {
      if (node.op_type() == op) return FindAttribute(node, attribute)->g();
    }
    ADD_FAILURE() << "no " << op;
    return rewritten.model.graph();
  }
};

constexpr char kLoop[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (int64 n, bool c, float[4] x) => (float[4] z, float[s, 4] all) {
  y = Exp(x)
  z, all = Loop(n, c, x) <body = b (int64 i, bool go, float[4] carried)
      => (bool on, float[4] next, float[4] seen) <float[4] w = {1, 2, 3, 4}> {
    on = Identity(go)
    [step] scaled = Mul(carried, w)
    next = Add(scaled, y)
    seen = Sqrt(next)
  }>
})";

TEST_F(BodiesTest, CarriedAndScannedValuesChangeTogetherWithTheirDeclarations) {
  Load(kLoop);
  const Rewritten out = Run(kFp16);
  const onnx::GraphProto& body = BodyOf(out, "Loop", "body");
  EXPECT_EQ(out.casts, 0);
  for (const onnx::ValueInfoProto* info : {&body.input(2), &body.output(1), &body.output(2)}) {
    EXPECT_EQ(info->type().tensor_type().elem_type(), onnx::TensorProto::FLOAT16) << info->name();
  }
  EXPECT_EQ(body.input(0).type().tensor_type().elem_type(), onnx::TensorProto::INT64);
  EXPECT_EQ(body.initializer(0).data_type(), onnx::TensorProto::FLOAT16);
}

TEST_F(BodiesTest, CastsStandInTheBodyThatNeedsThem) {
  Load(kLoop);
  const Rewritten out =
      Run(std::string(kFp16) + "rules:\n  - {match: {op: Add}, compute: float32}\n");
  const onnx::GraphProto& body = BodyOf(out, "Loop", "body");
  EXPECT_EQ(out.casts, 3);
  EXPECT_EQ(Lines(out).size(), 2U);  // Exp and Loop: no cast outside
  EXPECT_EQ(body.output(1).name(), "next_float16");
}

TEST_F(BodiesTest, SiblingsMayUseOneNameForDifferentWeights) {
  std::string values = "0";
  for (int i = 1; i < 1024; ++i) values += ", " + std::to_string(i % 7);
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[1024] x) => (float[1024] z) {
  z = If(c) <
    then_branch = t () => (float[1024] a) <float[1024] w = {)" +
       values + R"(}> { a = Add(x, w) },
    else_branch = e () => (float[1024] b) <float[1024] w = {)" +
       values + R"(}> { b = Mul(x, w) }
  >
})");
  const Rewritten out = Run(kFp16);
  EXPECT_THAT(InitializerTypes(out), ElementsAre(Pair("w_2", onnx::TensorProto::FLOAT16),
                                                 Pair("w_3", onnx::TensorProto::FLOAT16)));
  EXPECT_THAT(BodyOf(out, "If", "then_branch").node(0).input(), ElementsAre("x", "w_2"));
  EXPECT_THAT(BodyOf(out, "If", "else_branch").node(0).input(), ElementsAre("x", "w_3"));
}

TEST_F(BodiesTest, AnUnknownOperatorsBodyStaysAsItIs) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
g (float[4] x) => (float[4] z) {
  y = Exp(x)
  r = mine.Repeat(x) <body = b (float[4] p) => (float[4] q) { q = Add(p, y) }>
  z = Sqrt(y)
})");
  const Rewritten out = Run(kFp16);
  EXPECT_THAT(Lines(out), ElementsAre("Exp(x) -> y", "Sqrt(y) -> z"));  // r is read by nothing
}

TEST_F(BodiesTest, DeadNodesOfABodyAreLeftOut) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) {
  z = If(c) <
    then_branch = t () => (float[4] a) { unused = Exp(x) a = Sqrt(x) },
    else_branch = e () => (float[4] b) { b = Neg(x) }
  >
})");
  EXPECT_EQ(BodyOf(Run(kFp16), "If", "then_branch").node_size(), 1);
}

TEST_F(BodiesTest, InitializersThatOnlyDeadNodesOfABodyReadAreLeftOut) {
  Load(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] z) {
  z = If(c) <
    then_branch = t () => (float[4] a) <float k = {2}, double d = {2}> {
      unused = Mul(x, k) other = Neg(d) a = Sqrt(x)
    },
    else_branch = e () => (float[4] b) <float k = {3}> { b = Mul(x, k) }
  >
})");
  const Rewritten out = Run(kFp16);
  EXPECT_EQ(BodyOf(out, "If", "then_branch").initializer_size(), 0);
  EXPECT_EQ(BodyOf(out, "If", "else_branch").initializer_size(), 1);
}

}  // namespace
}  // namespace onnxquant
