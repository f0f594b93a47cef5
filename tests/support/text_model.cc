#include "tests/support/text_model.h"

#include <cstdint>
#include <set>

#include "gtest/gtest.h"
#include "onnx/defs/parser.h"
#include "tests/support/half_model.h"

namespace onnxquant {

onnx::ModelProto ParseModel(const std::string& text) {
  onnx::ModelProto model;
  const auto status = onnx::OnnxParser::Parse(model, text.c_str());
  EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
  onnx::GraphProto& graph = *model.mutable_graph();
  std::set<std::string> made;
  for (const auto& node : graph.node()) made.insert(node.output().begin(), node.output().end());
  for (const auto& tensor : graph.initializer()) made.insert(tensor.name());
  for (const auto& info : graph.value_info()) {
    if (made.count(info.name()) > 0) continue;
    onnx::TensorProto& tensor = *graph.add_initializer();
    tensor.set_name(info.name());
    const bool half = info.type().tensor_type().elem_type() == onnx::TensorProto::FLOAT16;
    tensor.set_data_type(half ? onnx::TensorProto::FLOAT : info.type().tensor_type().elem_type());
    std::int64_t elements = 1;
    for (const auto& dim : info.type().tensor_type().shape().dim()) {
      tensor.add_dims(dim.dim_value());
      elements *= dim.dim_value();
    }
    for (std::int64_t i = 0; i < elements; ++i) {
      if (tensor.data_type() == onnx::TensorProto::INT64) {
        tensor.add_int64_data(i);
      } else {
        tensor.add_float_data(static_cast<float>((i * 37) % 101 - 50) / 64.0F);
      }
    }
    if (half) MakeHalf(tensor, onnx::TensorProto::FLOAT16);
  }
  return model;
}

}  // namespace onnxquant
