#include "lib/rewrite/node_proto.h"

#include <utility>

namespace onnxquant {
namespace {

onnx::AttributeProto& Attribute(onnx::NodeProto& node, const char* name,
                                onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto* attribute = nullptr;
  for (onnx::AttributeProto& existing : *node.mutable_attribute()) {
    if (existing.name() == name) attribute = &existing;
  }
  if (attribute == nullptr) attribute = node.add_attribute();
  attribute->set_name(name);
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

void SetFloat(onnx::NodeProto& node, const char* name, float value) {
  Attribute(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}

void SetTensor(onnx::NodeProto& node, const char* name, onnx::TensorProto value) {
  *Attribute(node, name, onnx::AttributeProto::TENSOR).mutable_t() = std::move(value);
}

}  // namespace onnxquant
