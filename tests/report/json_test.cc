#include "onnxquant/report.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

Report SmallReport() {
  Report report;
  report.input = "in/model.onnx";
  report.input_bytes = 100;
  report.directory = "out";
  OutputReport output;
  output.dtype = "fp16";
  output.policy = "gemma-safe";
  output.files = {{"model_fp16.onnx", 10}, {"model_fp16.onnx_data", 40}};
  TensorRow tensor;
  tensor.name = "w";
  tensor.shape = {4, 5};
  tensor.format = "float16";
  tensor.bytes = 40;
  tensor.why = {"output 'fp16' sets weights: float16"};
  output.tensors = {tensor};
  report.outputs = {output};
  return report;
}

TEST(Json, HoldsEveryRowAndTheTotals) {
  const auto json = nlohmann::json::parse(ToJson(SmallReport()));
  EXPECT_EQ(json["input"], "in/model.onnx");
  const auto& output = json["outputs"][0];
  EXPECT_EQ(output["bytes"], 50);
  EXPECT_EQ(output["files"][1]["name"], "model_fp16.onnx_data");
  EXPECT_EQ(output["tensors"][0]["shape"], (std::vector<int>{4, 5}));
  EXPECT_TRUE(output["tensors"][0]["layer"].is_null());
  EXPECT_EQ(output["tensors"][0]["why"][0], "output 'fp16' sets weights: float16");
}

TEST(Json, KeepsKeysInAFixedOrderAndEndsWithANewline) {
  const std::string text = ToJson(SmallReport());
  EXPECT_LT(text.find("\"input\""), text.find("\"outputs\""));
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text, ToJson(SmallReport()));
}

TEST(Json, SurvivesANameThatIsNotUtf8) {
  Report report = SmallReport();
  report.outputs[0].tensors[0].name = "bad\xff";
  EXPECT_NO_THROW(nlohmann::json::parse(ToJson(report)));
}

}  // namespace
}  // namespace onnxquant
