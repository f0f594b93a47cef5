#include "lib/schema/schema_lookup.h"

#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

onnx::ModelProto Root(const std::string& opset) {
  return ParseModel("<ir_version: 10, opset_import: [\"\" : " + opset +
                    "]>\ng (float[4] x) => (float[4] y) { y = Sqrt(x) }");
}

TEST(SchemaLookup, FindsTheVersionOfTheImportedOpset) {
  const onnx::ModelProto model = Root("12");
  EXPECT_EQ(OpsetOf(model, "ai.onnx"), 12);
  EXPECT_EQ(OpsetOf(model, "elsewhere"), 0);
  const onnx::OpSchema* schema = FindSchema(model, model.graph().node(0));
  ASSERT_NE(schema, nullptr);
  EXPECT_EQ(schema->SinceVersion(), 6);
  EXPECT_EQ(FindBindingSchema(model.opset_import(), model.graph().node(0)), schema);
}

TEST(SchemaLookup, NothingBindsInAnOpsetThatIsNewerThanOnnx) {
  const onnx::ModelProto model = Root("9999");
  EXPECT_NE(FindSchema(model, model.graph().node(0)), nullptr);
  EXPECT_EQ(FindBindingSchema(model.opset_import(), model.graph().node(0)), nullptr);
}

TEST(SchemaLookup, TheLastVariadicParameterStandsForAllFurtherOnes) {
  const onnx::OpSchema* concat = onnx::OpSchemaRegistry::Schema("Concat", 13, "");
  EXPECT_EQ(FormalInput(*concat, 7), FormalInput(*concat, 0));
  const onnx::OpSchema* add = onnx::OpSchemaRegistry::Schema("Add", 14, "");
  EXPECT_EQ(FormalInput(*add, 2), nullptr);
  EXPECT_TRUE(Admits(*FormalInput(*add, 0), "tensor(bfloat16)"));
  EXPECT_FALSE(Admits(*FormalInput(*add, 0), "tensor(string)"));
}

}  // namespace
}  // namespace onnxquant
