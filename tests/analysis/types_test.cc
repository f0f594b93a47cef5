#include "lib/analysis/types.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

class TypesTest : public ::testing::Test {
 protected:
  ElementType TypeOf(const std::string& text, const std::string& value) {
    model_ = ParseModel(text);
    const auto graph = Graph::Build(model_, "m.onnx");
    EXPECT_TRUE(graph.ok()) << graph.status();
    const auto types = InferTypes(*graph, "m.onnx");
    EXPECT_TRUE(types.ok()) << types.status();
    for (ValueId id = 0; id < static_cast<ValueId>(graph->values().size()); ++id) {
      if (graph->value(id).name == value) return (*types)[static_cast<std::size_t>(id)];
    }
    ADD_FAILURE() << "no value " << value;
    return ElementType::kUndefined;
  }

  ElementType OutputOf(const std::string& nodes) {
    return TypeOf(R"(<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "mine" : 1]>
g (float[4] x, float16[4] h, int64[4] i, int8[4] q, bool b) => (float[4] unused) {
  unused = Identity(x)
)" + nodes + "\n}",
                  "y");
  }

  onnx::ModelProto model_;
};

TEST_F(TypesTest, NeedNoTypeOfWhatOnnxInferenceCannotDoWithout) {
  EXPECT_EQ(OutputOf("u = mine.Foo(x) y = EyeLike<dtype = 11>(u)"), ElementType::kDouble);
  EXPECT_EQ(OutputOf("u = mine.Foo(x) y = RegexFullMatch<pattern = \"a\">(u)"), ElementType::kBool);
  EXPECT_EQ(OutputOf(R"(u = mine.Foo(b) y = If(b) <
      then_branch = t () => (double[2, 2] p) { p = EyeLike<dtype = 11>(u) },
      else_branch = e () => (double[2, 2] q) { q = EyeLike<dtype = 11>(u) }
    >)"),
            ElementType::kDouble);
}

TEST_F(TypesTest, FollowTheTypeConstraintsOfOnnx) {
  EXPECT_EQ(OutputOf("y = Add(x, x)"), ElementType::kFloat);
  EXPECT_EQ(OutputOf("y = Add(h, h)"), ElementType::kFloat16);
  EXPECT_EQ(OutputOf("y = Shape(h)"), ElementType::kInt64);
  EXPECT_EQ(OutputOf("y = Greater(x, x)"), ElementType::kBool);
  EXPECT_EQ(OutputOf("y = Where(b, h, h)"), ElementType::kFloat16);
}

TEST_F(TypesTest, FollowAttributesThatNameAType) {
  EXPECT_EQ(OutputOf("y = Cast<to = 10>(x)"), ElementType::kFloat16);
  EXPECT_EQ(OutputOf("y = RandomNormal<shape = [2]>()"), ElementType::kFloat);
  EXPECT_EQ(OutputOf("y = RandomNormal<shape = [2], dtype = 11>()"), ElementType::kDouble);
  EXPECT_EQ(OutputOf("y = RandomNormalLike(h)"), ElementType::kFloat16);
  EXPECT_EQ(OutputOf("y = ConstantOfShape(i)"), ElementType::kFloat);
  EXPECT_EQ(OutputOf("y = Constant<value_ints = [1]>()"), ElementType::kInt64);
  EXPECT_EQ(OutputOf("y = DequantizeLinear(q, h)"), ElementType::kFloat16);
  EXPECT_EQ(OutputOf("y = QuantizeLinear(x, x)"), ElementType::kUint8);
}

TEST_F(TypesTest, OfAScanComeFromItsBodyNotFromItsFirstInput) {
  EXPECT_EQ(OutputOf(R"(z, y = Scan(x, h) <num_scan_inputs = 1, body = b (s, e) => (n, o) {
    n = Sqrt(s)
    o = Sqrt(e)
  }>)"),
            ElementType::kFloat16);
}

TEST_F(TypesTest, GoOnBehindOnnxRuntimesOperators) {
  EXPECT_EQ(OutputOf("a = com.microsoft.FastGelu(h)\n  y = Sqrt(a)"), ElementType::kFloat16);
  EXPECT_EQ(OutputOf("y = com.microsoft.MatMulNBits<K = 4, N = 4, block_size = 16>(h, q, h)"),
            ElementType::kFloat16);
  EXPECT_EQ(OutputOf("y = SimplifiedLayerNormalization(h, h)"), ElementType::kFloat16);
  EXPECT_EQ(OutputOf("s, y = SimplifiedLayerNormalization(h, h)"), ElementType::kFloat);
}

TEST_F(TypesTest, TakeTheDeclarationBehindAnUnknownOperator) {
  EXPECT_EQ(OutputOf("y = mine.Unknown(x)"), ElementType::kUndefined);
  EXPECT_EQ(TypeOf(R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
g (float[4] x) => (float16[4] y) { y = mine.Unknown(x) })",
                   "y"),
            ElementType::kFloat16);
}

TEST_F(TypesTest, EnterAndLeaveSubgraphs) {
  constexpr char kIf[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float16[4] h) => (float16[4] z) {
  y = If(c) <
    then_branch = t () => (float16[4] a) { a = Abs(h) },
    else_branch = e () => (float16[4] b) { b = Neg(h) }
  >
  z = Sqrt(y)
})";
  EXPECT_EQ(TypeOf(kIf, "a"), ElementType::kFloat16);
  EXPECT_EQ(TypeOf(kIf, "y"), ElementType::kFloat16);
}

TEST_F(TypesTest, RefuseAnElementTypeThatOnnxDoesNotDefine) {
  model_ = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { [n] y = Cast<to = 99>(x) })");
  const auto graph = Graph::Build(model_, "m.onnx");
  const auto types = InferTypes(*graph, "m.onnx");
  EXPECT_EQ(KindOf(types.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(types.status().message()),
              HasSubstr("m.onnx: node 'n' (Cast): attribute 'to': element type 99"));
}

}  // namespace
}  // namespace onnxquant
