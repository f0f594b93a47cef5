#include "lib/formats/node_sink.h"

#include <utility>

#include "lib/base/as_bytes.h"
#include "lib/formats/narrow.h"

namespace onnxquant {

std::string AddConstant(NodeSink& sink, const std::string& wanted, onnx::TensorProto tensor) {
  const std::string name = sink.UniqueNode(wanted);
  onnx::NodeProto node = MakeNode("Constant", name, {}, {sink.UniqueValue(wanted)});
  SetTensor(node, "value", std::move(tensor));
  std::string output = node.output(0);
  sink.AddNode() = std::move(node);
  return output;
}

onnx::TensorProto ScalarTensor(double number, ElementType type) {
  const auto value = static_cast<float>(number);
  onnx::TensorProto tensor;
  tensor.set_data_type(static_cast<int>(type));
  if (type == ElementType::kFloat) {
    tensor.set_raw_data(&value, sizeof(value));
  } else if (type == ElementType::kDouble) {
    tensor.set_raw_data(&number, sizeof(number));
  } else {
    std::uint16_t half = 0;
    Narrow({&value, 1}, type, Overflow::kClamp, {&half, 1});
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

}  // namespace onnxquant
