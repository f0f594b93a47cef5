#include "lib/formats/node_proto.h"

#include <utility>

namespace onnxquant {
namespace {

onnx::AttributeProto& Attribute(onnx::NodeProto& node, absl::string_view name,
                                onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto* attribute = nullptr;
  for (onnx::AttributeProto& existing : *node.mutable_attribute()) {
    if (existing.name() == name) attribute = &existing;
  }
  if (attribute == nullptr) attribute = node.add_attribute();
  attribute->set_name(std::string(name));
  attribute->set_type(type);
  return *attribute;
}

}  // namespace

onnx::NodeProto MakeNode(const char* op_type, const std::string& name,
                         absl::Span<const std::string> inputs,
                         absl::Span<const std::string> outputs) {
  onnx::NodeProto node;
  node.set_op_type(op_type);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  return node;
}

void SetInt(onnx::NodeProto& node, absl::string_view name, std::int64_t value) {
  Attribute(node, name, onnx::AttributeProto::INT).set_i(value);
}

void SetInts(onnx::NodeProto& node, absl::string_view name, absl::Span<const std::int64_t> values) {
  Attribute(node, name, onnx::AttributeProto::INTS)
      .mutable_ints()
      ->Assign(values.begin(), values.end());
}

void SetFloat(onnx::NodeProto& node, absl::string_view name, float value) {
  Attribute(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}

void SetTensor(onnx::NodeProto& node, absl::string_view name, onnx::TensorProto value) {
  *Attribute(node, name, onnx::AttributeProto::TENSOR).mutable_t() = std::move(value);
}

}  // namespace onnxquant
