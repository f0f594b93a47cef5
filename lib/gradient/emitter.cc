#include "lib/gradient/emitter.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "lib/formats/node_proto.h"

namespace onnxquant {
namespace {

// From which on axes are inputs.
constexpr std::int64_t kAxesOfReductions = 18;  // ReduceSum: 13

std::string FreePrefix(const Graph& graph, const std::string& wanted) {
  std::string prefix = wanted;
  const auto taken = [&] {
    return std::any_of(graph.values().begin(), graph.values().end(),
                       [&](const Value& value) { return absl::StartsWith(value.name, prefix); });
  };
  while (taken()) prefix += "_";
  return prefix;
}

void SetAttribute(onnx::NodeProto& node, const NodeAttribute& attribute) {
  if (const auto* number = std::get_if<std::int64_t>(&attribute.value)) {
    SetInt(node, attribute.name, *number);
  } else if (const auto* real = std::get_if<float>(&attribute.value)) {
    SetFloat(node, attribute.name, *real);
  } else if (const auto* text = std::get_if<std::string>(&attribute.value)) {
    onnx::AttributeProto& proto = *node.add_attribute();
    proto.set_name(attribute.name);
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(*text);
  } else {
    SetInts(node, attribute.name, std::get<std::vector<std::int64_t>>(attribute.value));
  }
}

}  // namespace

Emitter::Emitter(const Graph& graph, const std::string& prefix, std::int64_t opset)
    : prefix_(FreePrefix(graph, prefix)), opset_(opset) {}

std::string Emitter::NewName(absl::string_view op) {
  return absl::StrCat(prefix_, "/", op, "_", next_++);
}

std::vector<std::string> Emitter::MakeMany(std::size_t count, absl::string_view op,
                                           absl::Span<const std::string> inputs,
                                           absl::Span<const NodeAttribute> attributes) {
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < count; ++i) outputs.push_back(NewName(op));
  const bool contrib = absl::ConsumePrefix(&op, "ms.");
  onnx::NodeProto node = MakeNode(std::string(op).c_str(), outputs.front(), inputs, outputs);
  if (contrib) node.set_domain("com.microsoft");
  for (const NodeAttribute& attribute : attributes) SetAttribute(node, attribute);
  nodes_.push_back(std::move(node));
  return outputs;
}

std::string Emitter::Make(absl::string_view op, absl::Span<const std::string> inputs,
                          absl::Span<const NodeAttribute> attributes) {
  return MakeMany(1, op, inputs, attributes).front();
}

void Emitter::MakeAs(const std::string& output, absl::string_view op,
                     absl::Span<const std::string> inputs,
                     absl::Span<const NodeAttribute> attributes) {
  Make(op, inputs, attributes);
  nodes_.back().set_output(0, output);
}

std::string Emitter::Constant(const std::string& key, onnx::TensorProto tensor) {
  std::string& name = constants_[key];
  if (!name.empty()) return name;
  name = Make("Constant", {});
  SetTensor(nodes_.back(), "value", std::move(tensor));
  return name;
}

std::string Emitter::Float(float value) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_float_data(value);
  return Constant(tensor.SerializeAsString(), tensor);
}

std::string Emitter::Int(std::int64_t value) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_int64_data(value);
  return Constant(tensor.SerializeAsString(), tensor);
}

std::string Emitter::Ints(const std::vector<std::int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t value : values) tensor.add_int64_data(value);
  return Constant(tensor.SerializeAsString(), tensor);
}

std::string Emitter::Reduce(const char* op, const std::string& input, std::int64_t axis) {
  const bool sum = absl::string_view(op) == "ReduceSum";
  if (sum || opset_ >= kAxesOfReductions) return Make(op, {input, Ints({axis})});
  return Make(op, {input}, {{"axes", std::vector<std::int64_t>{axis}}});
}

std::string Emitter::Unsqueeze(const std::string& input, std::int64_t axis) {
  return Make("Unsqueeze", {input, Ints({axis})});
}

std::string Emitter::ShapeOf(const std::string& input) {
  return Make("Shape", {input});
}

std::string Emitter::DimensionOf(const std::string& input, std::int64_t axis) {
  return Make("Gather", {ShapeOf(input), Int(axis)});
}

std::string Emitter::IndicesLike(const std::string& input) {
  const std::string range = Make("Range", {Int(0), Make("Size", {input}), Int(1)});
  return Make("Reshape", {range, ShapeOf(input)});
}

std::string Emitter::ZerosOf(const std::string& shape) {
  return Make("ConstantOfShape", {shape});
}

std::string Emitter::SumTo(const std::string& gradient, const std::string& value) {
  // Shapes from the right; where `value` has fewer dimensions, ones stand before them.
  const std::string whole = ShapeOf(gradient);
  const std::string wanted = ShapeOf(value);
  const std::string missing =
      Make("Sub", {Make("Shape", {whole}), Make("Shape", {wanted})});  // a vector of one element
  const std::string ones = Make("Expand", {Ints({1}), missing});
  const std::string padded = Make("Concat", {ones, wanted}, {{"axis", std::int64_t{0}}});
  const std::string differ = Make("Not", {Make("Equal", {padded, whole})});
  const std::string axes = Make("Reshape", {Make("NonZero", {differ}), Ints({-1})});
  const std::string sum =
      Make("ReduceSum", {gradient, axes}, {{"noop_with_empty_axes", std::int64_t{1}}});
  return Make("Reshape", {sum, wanted});
}

}  // namespace onnxquant
