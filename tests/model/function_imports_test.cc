#include "lib/model/function_imports.h"

#include "gtest/gtest.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

onnx::ModelProto TwoFunctions() {
  return ParseModel(R"(<ir_version: 10, opset_import: ["mine" : 1]>
g (float[4] x) => (float[4] z) { y = mine.A(x) z = mine.B(y) }
<domain: "mine", opset_import: ["" : 20, "com.microsoft" : 1]>
A (a) => (b) { b = com.microsoft.FastGelu(a) }
<domain: "mine", opset_import: ["ai.onnx" : 21]>
B (a) => (b) { b = Sqrt(a) })");
}

int VersionOf(const onnx::ModelProto& model, const std::string& domain) {
  for (const onnx::OperatorSetIdProto& import : model.opset_import()) {
    if (import.domain() == domain) return static_cast<int>(import.version());
  }
  return 0;
}

TEST(FunctionImports, TheModelImportsWhatItsFunctionsDoInTheNewestVersion) {
  onnx::ModelProto model = TwoFunctions();
  ImportOpsetsOfFunctions(model);
  EXPECT_EQ(model.opset_import_size(), 3);
  EXPECT_EQ(VersionOf(model, ""), 21);
  EXPECT_EQ(VersionOf(model, "com.microsoft"), 1);
}

TEST(FunctionImports, WhatTheModelImportsItselfStays) {
  onnx::ModelProto model = TwoFunctions();
  onnx::OperatorSetIdProto& own = *model.add_opset_import();
  own.set_domain("ai.onnx");
  own.set_version(18);
  ImportOpsetsOfFunctions(model);
  EXPECT_EQ(VersionOf(model, "ai.onnx"), 18);
  EXPECT_EQ(VersionOf(model, ""), 0);
}

TEST(FunctionImports, ImportsThatNoNodeNeedsAreTakenBack) {
  onnx::ModelProto model = TwoFunctions();
  ImportOpsetsOfFunctions(model);
  DropUnusedImports(model, 1);
  EXPECT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(VersionOf(model, "mine"), 1);
}

}  // namespace
}  // namespace onnxquant
