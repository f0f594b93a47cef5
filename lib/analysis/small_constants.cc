#include "lib/analysis/small_constants.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/types/span.h"
#include "lib/analysis/weight_uses.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kLargestConstant = 256;  // elements that are worth reading

template <typename T>
void AppendRaw(const std::string& raw, std::vector<double>& numbers) {
  for (std::size_t at = 0; at + sizeof(T) <= raw.size(); at += sizeof(T)) {
    T number;
    std::memcpy(&number, raw.data() + at, sizeof(T));
    numbers.push_back(static_cast<double>(number));
  }
}

// 16-bit floats stand in raw_data, or each in a number of int32_data.
template <void (*Widen)(absl::Span<const std::uint16_t>, absl::Span<float>)>
void AppendHalves(const onnx::TensorProto& tensor, std::vector<double>& numbers) {
  std::vector<std::uint16_t> halves(tensor.raw_data().size() / sizeof(std::uint16_t));
  if (!halves.empty()) std::memcpy(halves.data(), tensor.raw_data().data(), halves.size() * 2);
  for (const std::int32_t bits : tensor.int32_data()) {
    halves.push_back(static_cast<std::uint16_t>(bits));
  }
  std::vector<float> floats(halves.size());
  Widen(halves, absl::MakeSpan(floats));
  numbers.insert(numbers.end(), floats.begin(), floats.end());
}

// Nothing where the payload is elsewhere, large, or of a type that no detector asks for.
std::optional<std::vector<double>> Read(const onnx::TensorProto& tensor) {
  std::int64_t elements = 1;
  for (const std::int64_t dim : tensor.dims()) {
    if (dim < 0 || dim > kLargestConstant) return std::nullopt;
    elements *= dim;
    if (elements > kLargestConstant) return std::nullopt;
  }
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) return std::nullopt;
  std::vector<double> numbers;
  switch (tensor.data_type()) {
    case onnx::TensorProto::FLOAT:
      AppendRaw<float>(tensor.raw_data(), numbers);
      numbers.insert(numbers.end(), tensor.float_data().begin(), tensor.float_data().end());
      break;
    case onnx::TensorProto::DOUBLE:
      AppendRaw<double>(tensor.raw_data(), numbers);
      numbers.insert(numbers.end(), tensor.double_data().begin(), tensor.double_data().end());
      break;
    case onnx::TensorProto::FLOAT16:
      AppendHalves<kernels::HalfToFloat>(tensor, numbers);
      break;
    case onnx::TensorProto::BFLOAT16:
      AppendHalves<kernels::BFloat16ToFloat>(tensor, numbers);
      break;
    case onnx::TensorProto::INT64:
      AppendRaw<std::int64_t>(tensor.raw_data(), numbers);
      for (const std::int64_t number : tensor.int64_data()) {
        numbers.push_back(static_cast<double>(number));
      }
      break;
    case onnx::TensorProto::INT32:
      AppendRaw<std::int32_t>(tensor.raw_data(), numbers);
      numbers.insert(numbers.end(), tensor.int32_data().begin(), tensor.int32_data().end());
      break;
    default:
      return std::nullopt;
  }
  if (static_cast<std::int64_t>(numbers.size()) != elements) return std::nullopt;
  return numbers;
}

std::optional<std::vector<double>> ReadConstantNode(const onnx::NodeProto& node) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == "value") return Read(attribute.t());
    if (attribute.name() == "value_float") return std::vector<double>{attribute.f()};
    if (attribute.name() == "value_int") {
      return std::vector<double>{static_cast<double>(attribute.i())};
    }
    if (attribute.name() == "value_floats") {
      return std::vector<double>(attribute.floats().begin(), attribute.floats().end());
    }
    if (attribute.name() == "value_ints") {
      return std::vector<double>(attribute.ints().begin(), attribute.ints().end());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<double>> SmallConstant(const Graph& graph, ValueId value) {
  if (value == kNone) return std::nullopt;
  if (const onnx::TensorProto* tensor = ConstantTensor(graph, value)) return Read(*tensor);
  const NodeId producer = graph.value(value).producer;
  if (producer == kNone) return std::nullopt;
  const onnx::NodeProto& node = *graph.node(producer).proto;
  if (!IsOnnxDomain(node.domain())) return std::nullopt;
  if (node.op_type() == "Constant") return ReadConstantNode(node);
  if (node.op_type() == "ConstantOfShape") {
    const onnx::AttributeProto* fill = FindAttribute(node, "value");
    return fill == nullptr ? std::vector<double>{0.0} : Read(fill->t());
  }
  return std::nullopt;
}

std::optional<double> SmallScalar(const Graph& graph, ValueId value) {
  const std::optional<std::vector<double>> numbers = SmallConstant(graph, value);
  if (!numbers || numbers->size() != 1) return std::nullopt;
  return numbers->front();
}

}  // namespace onnxquant
