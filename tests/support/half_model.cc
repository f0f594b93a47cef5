#include "tests/support/half_model.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

bool StaysWide(const std::string& name) {
  return name.rfind("wide", 0) == 0;
}

void GraphInHalf(onnx::GraphProto& graph, onnx::TensorProto::DataType half);

void TypeInHalf(onnx::ValueInfoProto& info, onnx::TensorProto::DataType half) {
  if (StaysWide(info.name())) return;
  onnx::TypeProto& type = *info.mutable_type();
  if (type.has_tensor_type() && type.tensor_type().elem_type() == onnx::TensorProto::FLOAT) {
    type.mutable_tensor_type()->set_elem_type(half);
  }
}

// Constants that are spelt as numbers get a tensor.
void AttributeInHalf(onnx::AttributeProto& attribute, onnx::TensorProto::DataType half) {
  const bool one = attribute.name() == "value_float";
  if (one || attribute.name() == "value_floats") {
    onnx::TensorProto tensor;
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    if (one) tensor.add_float_data(attribute.f());
    if (!one) tensor.add_dims(attribute.floats_size());
    for (const float number : attribute.floats()) tensor.add_float_data(number);
    attribute.Clear();
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = tensor;
  }
  if (attribute.has_t()) MakeHalf(*attribute.mutable_t(), half);
  if (attribute.has_g()) GraphInHalf(*attribute.mutable_g(), half);
}

void GraphInHalf(onnx::GraphProto& graph, onnx::TensorProto::DataType half) {
  for (auto& info : *graph.mutable_input()) TypeInHalf(info, half);
  for (auto& info : *graph.mutable_output()) TypeInHalf(info, half);
  for (auto& info : *graph.mutable_value_info()) TypeInHalf(info, half);
  for (auto& tensor : *graph.mutable_initializer()) {
    if (!StaysWide(tensor.name())) MakeHalf(tensor, half);
  }
  for (auto& node : *graph.mutable_node()) {
    if (node.output_size() > 0 && StaysWide(node.output(0))) continue;
    for (auto& attribute : *node.mutable_attribute()) {
      const bool type = attribute.name() == "to" || attribute.name() == "dtype";
      if (type && attribute.i() == onnx::TensorProto::FLOAT) attribute.set_i(half);
      AttributeInHalf(attribute, half);
    }
  }
}

}  // namespace

void MakeHalf(onnx::TensorProto& tensor, onnx::TensorProto::DataType half) {
  if (tensor.data_type() != onnx::TensorProto::FLOAT) return;
  std::vector<float> floats(tensor.float_data().begin(), tensor.float_data().end());
  if (!tensor.raw_data().empty()) {
    floats.resize(tensor.raw_data().size() / sizeof(float));
    std::memcpy(floats.data(), tensor.raw_data().data(), floats.size() * sizeof(float));
  }
  std::vector<std::uint16_t> halves(floats.size());
  const auto narrow =
      half == onnx::TensorProto::BFLOAT16 ? kernels::FloatToBFloat16 : kernels::FloatToHalf;
  (void)narrow(floats, absl::MakeSpan(halves), kernels::OverflowMode::kInfinity);
  tensor.clear_float_data();
  tensor.clear_raw_data();
  tensor.set_data_type(half);
  for (const std::uint16_t bits : halves) tensor.add_int32_data(bits);
}

onnx::ModelProto InHalf(onnx::ModelProto model, onnx::TensorProto::DataType half) {
  GraphInHalf(*model.mutable_graph(), half);
  return model;
}

}  // namespace onnxquant
