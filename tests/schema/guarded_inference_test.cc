#include "lib/schema/guarded_inference.h"

#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

// The element type that inference found for a value; 0 if it found none.
int TypeOf(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::ValueInfoProto& info : model.graph().value_info()) {
    if (info.name() == name) return info.type().tensor_type().elem_type();
  }
  return 0;
}

TEST(GuardedInference, FindsWhatOnnxsInferenceFinds) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) { a = Shape(x) b = Sqrt(x) y = Neg(b) })");
  InferShapesGuarded(model);
  EXPECT_EQ(TypeOf(model, "a"), onnx::TensorProto::INT64);
  EXPECT_EQ(TypeOf(model, "b"), onnx::TensorProto::FLOAT);
}

TEST(GuardedInference, PassesByANodeWhoseInputHasNoTypeAndGoesOn) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "custom" : 1]>
g (float[4, 4] x) => (float y) {
  a = custom.Maker(x)
  b = EyeLike(a)
  c = GatherND(a, a)
  d = Sqrt(x)
  y = custom.Taker(b, c, d)
})");
  InferShapesGuarded(model);
  EXPECT_EQ(TypeOf(model, "b"), 0);
  EXPECT_EQ(TypeOf(model, "c"), 0);
  EXPECT_EQ(TypeOf(model, "d"), onnx::TensorProto::FLOAT);
}

TEST(GuardedInference, KnowsWhatACastOfAnUnknownTypeGives) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "custom" : 1]>
g (float[4] x) => (float y) { a = custom.Maker(x) b = Cast<to = 1>(a) y = custom.Taker(b) })");
  InferShapesGuarded(model);
  EXPECT_EQ(TypeOf(model, "b"), onnx::TensorProto::FLOAT);
}

TEST(GuardedInference, PassesByANodeWhoseAttributeIsOfAnotherKind) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 8, opset_import: ["" : 1]>
g (float[4] x) => (float[2] y) { a = Slice<starts = [0], ends = [2]>(x) y = Sqrt(a) })");
  onnx::AttributeProto& ends = *model.mutable_graph()->mutable_node(0)->mutable_attribute(1);
  ends.clear_ints();
  ends.set_type(onnx::AttributeProto::INT);
  InferShapesGuarded(model);
  EXPECT_EQ(TypeOf(model, "a"), 0);
}

TEST(GuardedInference, PassesByNodesInBodies) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "custom" : 1]>
g (bool c, float[4, 4] x) => (float y) {
  a = custom.Maker(x)
  y = If(c) <
    then_branch = t () => (p) { p = EyeLike(a) },
    else_branch = e () => (q) { q = EyeLike(a) }
  >
})");
  InferShapesGuarded(model);
  EXPECT_EQ(TypeOf(model, "y"), 0);
}

}  // namespace
}  // namespace onnxquant
