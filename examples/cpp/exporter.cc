// An exporter that holds its model as an onnx::ModelProto: exporter FOLDER
// It links onnx itself. With onnxquant::static both share that copy; onnxquant::shared has its own.
#include <iostream>
#include <string>
#include <vector>

#include "onnx/checker.h"
#include "onnx/defs/parser.h"
#include "onnxquant/onnx_model.h"
#include "onnxquant/quantize.h"

// y = x W, W [64, 64]
static onnx::ModelProto Export() {
  onnx::ModelProto model;
  const onnx::Common::Status parsed =
      onnx::OnnxParser::Parse(model,
                              R"(<ir_version: 10, opset_import: ["": 21]>
         net (float[n, 64] x) => (float[n, 64] y) { y = MatMul(x, W) })");
  if (!parsed.IsOK()) std::cerr << parsed.ErrorMessage() << "\n";
  onnx::TensorProto& weight = *model.mutable_graph()->add_initializer();
  weight.set_name("W");
  weight.set_data_type(onnx::TensorProto::FLOAT);
  weight.add_dims(64);
  weight.add_dims(64);
  const std::vector<float> values(64 * 64, 0.5F);
  weight.set_raw_data(values.data(), values.size() * sizeof(float));
  return model;
}

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  onnx::ModelProto model = Export();
  onnx::checker::check_model(model);
  const onnxquant::BorrowedModel borrowed(model, std::string(argv[1]) + "/model.onnx");
  if (!borrowed.ok()) return std::cerr << "the model cannot be serialized\n", 2;
  const auto plan = onnxquant::MakePlan(borrowed.model(), {.policy = "q4f16"});
  if (!plan.ok()) return std::cerr << plan.status().message() << "\n", 2;
  const auto report = onnxquant::ApplyPlan(*plan, {});
  if (!report.ok()) return std::cerr << report.status().message() << "\n", 2;
  std::cout << onnxquant::ToJson(*report);
}
