#include "lib/schema/operand_rules.h"

#include "gtest/gtest.h"
#include "lib/schema/guarded_inference.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

bool InfersAShape(const std::string& text) {
  onnx::ModelProto model = ParseModel(text);
  InferShapesGuarded(model);
  for (const onnx::ValueInfoProto& info : model.graph().value_info()) {
    if (info.name() == "a") return info.type().tensor_type().has_shape();
  }
  return false;
}

std::string Expand(const std::string& length) {
  return "<ir_version: 10, opset_import: [\"\" : 21]>\ng (float[4] x, int64[" + length +
         "] s) => (float y) { a = Expand(x, s) y = Neg(a) }";
}

TEST(OperandRules, KeepInferenceFromMakingDimensionsWithoutEnd) {
  EXPECT_TRUE(InfersAShape(Expand("3")));
  EXPECT_FALSE(InfersAShape(Expand("1099511627776")));
}

std::string Pool(const std::string& strides) {
  return "<ir_version: 10, opset_import: [\"\" : 21]>\ng (float[1, 1, 8, 8] x) => (float y) { a = "
         "MaxPool<kernel_shape = [2, 2], strides = " +
         strides + ">(x) y = Neg(a) }";
}

TEST(OperandRules, KeepInferenceFromDividingByZero) {
  EXPECT_TRUE(InfersAShape(Pool("[2, 2]")));
  EXPECT_FALSE(InfersAShape(Pool("[0, 2]")));
}

std::string Gather(const std::string& batches) {
  return "<ir_version: 10, opset_import: [\"\" : 12]>\ng (float[2, 3] x, int64[2, 1] i) => (float "
         "y) "
         "{ a = GatherND<batch_dims = " +
         batches + ">(x, i) y = Neg(a) }";
}

TEST(OperandRules, KeepInferenceFromDimensionsBeforeTheFirst) {
  EXPECT_TRUE(InfersAShape(Gather("1")));
  EXPECT_FALSE(InfersAShape(Gather("-9")));
}

}  // namespace
}  // namespace onnxquant
