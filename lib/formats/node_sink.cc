#include "lib/formats/node_sink.h"

#include <utility>

#include "lib/base/as_bytes.h"
#include "lib/formats/narrow.h"

namespace onnxquant {

std::string AddConstant(NodeSink& sink, const std::string& wanted, onnx::TensorProto tensor) {
  onnx::NodeProto& node = sink.AddNode();
  node.set_op_type("Constant");
  node.set_name(sink.UniqueNode(wanted));
  node.add_output(sink.UniqueValue(wanted));
  onnx::AttributeProto* attribute = node.add_attribute();
  attribute->set_name("value");
  attribute->set_type(onnx::AttributeProto::TENSOR);
  *attribute->mutable_t() = std::move(tensor);
  return node.output(0);
}

onnx::TensorProto ScalarTensor(float number, ElementType type) {
  onnx::TensorProto tensor;
  tensor.set_data_type(static_cast<int>(type));
  if (type == ElementType::kFloat) {
    tensor.set_raw_data(&number, sizeof(number));
  } else if (type == ElementType::kDouble) {
    const double wide = number;
    tensor.set_raw_data(&wide, sizeof(wide));
  } else {
    std::uint16_t half = 0;
    Narrow({&number, 1}, type, Overflow::kClamp, {&half, 1});
    tensor.set_raw_data(&half, sizeof(half));
  }
  return tensor;
}

std::string AddInts(NodeSink& sink, const std::string& wanted,
                    absl::Span<const std::int64_t> values) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(values.size()));
  const absl::Span<const std::byte> bytes = AsBytes(values);
  tensor.set_raw_data(bytes.data(), bytes.size());
  return AddConstant(sink, wanted, std::move(tensor));
}

void SetInt(onnx::NodeProto& node, absl::string_view name, std::int64_t value) {
  onnx::AttributeProto* attribute = nullptr;
  for (onnx::AttributeProto& existing : *node.mutable_attribute()) {
    if (existing.name() == name) attribute = &existing;
  }
  if (attribute == nullptr) attribute = node.add_attribute();
  attribute->set_name(std::string(name));
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(value);
}

}  // namespace onnxquant
