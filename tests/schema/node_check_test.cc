#include "lib/schema/node_check.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Check(const onnx::ModelProto& model) {
  return CheckNodes(model, "m.onnx");
}

onnx::ModelProto Slice() {
  return ParseModel(R"(<ir_version: 8, opset_import: ["" : 1]>
g (float[4] x) => (float[2] y) { [cut] y = Slice<starts = [0], ends = [2]>(x) })");
}

onnx::AttributeProto& FirstAttribute(onnx::ModelProto& model) {
  return *model.mutable_graph()->mutable_node(0)->mutable_attribute(0);
}

TEST(NodeCheck, TakesNodesThatAreAsTheirSchemasSay) {
  EXPECT_TRUE(Check(Slice()).ok());
}

TEST(NodeCheck, RefusesAnAttributeOfAnotherKindByNodeAndOpset) {
  onnx::ModelProto model = Slice();
  FirstAttribute(model).clear_ints();
  FirstAttribute(model).set_type(onnx::AttributeProto::INT);
  const absl::Status status = Check(model);
  EXPECT_EQ(KindOf(status), ErrorKind::kModel);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("m.onnx: node 'cut' (Slice)"), HasSubstr("since opset 1"),
                    HasSubstr("'INTS'"), HasSubstr("'INT'")));
}

TEST(NodeCheck, RefusesAnAttributeWithoutItsType) {
  onnx::ModelProto model = Slice();
  FirstAttribute(model).clear_type();
  EXPECT_EQ(KindOf(Check(model)), ErrorKind::kModel);
}

TEST(NodeCheck, RefusesANodeWithoutARequiredAttribute) {
  onnx::ModelProto model = Slice();
  model.mutable_graph()->mutable_node(0)->clear_attribute();
  EXPECT_EQ(KindOf(Check(model)), ErrorKind::kModel);
}

TEST(NodeCheck, RefusesANodeWithoutInputsOrWithTooMany) {
  onnx::ModelProto model = Slice();
  model.mutable_graph()->mutable_node(0)->clear_input();
  EXPECT_EQ(KindOf(Check(model)), ErrorKind::kModel);
  for (int i = 0; i < 2; ++i) model.mutable_graph()->mutable_node(0)->add_input("x");
  EXPECT_EQ(KindOf(Check(model)), ErrorKind::kModel);
}

TEST(NodeCheck, RefusesARequiredInputThatIsLeftOut) {
  onnx::ModelProto model = Slice();
  model.mutable_graph()->mutable_node(0)->set_input(0, "");
  EXPECT_EQ(KindOf(Check(model)), ErrorKind::kModel);
}

TEST(NodeCheck, LooksIntoBodiesAndFunctions) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
g (bool c, float[4] x) => (float[4] y) {
  y = If(c) <
    then_branch = t () => (float[4] a) { a = Sqrt(x) },
    else_branch = e () => (float[4] b) { b = mine.Root(x) }
  >
}
<domain: "mine", opset_import: ["" : 21]>
Root (a) => (b) { b = Sqrt(a) })");
  ASSERT_TRUE(Check(model).ok());
  onnx::ModelProto in_body = model;
  FirstAttribute(in_body).mutable_g()->mutable_node(0)->clear_input();
  EXPECT_EQ(KindOf(Check(in_body)), ErrorKind::kModel);
  onnx::ModelProto in_function = model;
  in_function.mutable_functions(0)->mutable_node(0)->clear_input();
  EXPECT_THAT(std::string(Check(in_function).message()), HasSubstr("local function 'Root'"));
}

TEST(NodeCheck, RefusesBodiesThatTakeOrGiveLessThanTheNode) {
  onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (bool c, float[4] x) => (float[4] y) {
  y = Scan<num_scan_inputs = 1, body = b (float a) => (float s) { s = Sqrt(a) }>(x)
})");
  ASSERT_TRUE(Check(model).ok()) << Check(model);
  onnx::ModelProto fewer = model;
  for (onnx::AttributeProto& attribute :
       *fewer.mutable_graph()->mutable_node(0)->mutable_attribute()) {
    if (attribute.has_g()) attribute.mutable_g()->clear_output();
  }
  EXPECT_THAT(std::string(Check(fewer).message()), HasSubstr("gives 0 values"));
}

TEST(NodeCheck, RefusesMoreSlicesThanAScanHasInputs) {
  for (const std::int64_t count : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    onnx::ModelProto model = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] y) {
  y = Scan<num_scan_inputs = 1, body = b (float a) => (float s) { s = Sqrt(a) }>(x)
})");
    for (onnx::AttributeProto& attribute :
         *model.mutable_graph()->mutable_node(0)->mutable_attribute()) {
      if (attribute.name() == "num_scan_inputs") attribute.set_i(count);
    }
    EXPECT_THAT(std::string(Check(model).message()), HasSubstr("expected 1 to 1")) << count;
  }
}

TEST(NodeCheck, PassesOperatorsAndOpsetsThatOnnxDoesNotKnow) {
  EXPECT_TRUE(Check(ParseModel(R"(<ir_version: 10, opset_import: ["" : 9999, "custom" : 1]>
g (float[4] x) => (float[4] y) { a = custom.Any<b = 1>(x) y = Sqrt(a, x) })"))
                  .ok());
}

}  // namespace
}  // namespace onnxquant
