#include "tests/sweep/case_maker.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/sweep/mutations.h"

namespace onnxquant {
namespace {

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::TypeProto;

void AddFloat(onnx::ValueInfoProto& info, const std::string& name) {
  info.set_name(name);
  auto& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  for (const int dim : {1, 2, 3, 3}) tensor.mutable_shape()->add_dim()->set_dim_value(dim);
}

void AddScalar(onnx::ValueInfoProto& info, const std::string& name, int type) {
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(type);
  info.mutable_type()->mutable_tensor_type()->mutable_shape();
}

// A body that hands its inputs on, with what Loop wants besides.
onnx::GraphProto Body(const std::string& op, const std::string& attribute) {
  onnx::GraphProto body;
  body.set_name(attribute);
  if (op == "Loop") {
    AddScalar(*body.add_input(), "turn", onnx::TensorProto::INT64);
    AddScalar(*body.add_input(), "before", onnx::TensorProto::BOOL);
    onnx::NodeProto& go = *body.add_node();
    go.set_op_type("Identity");
    go.add_input("before");
    go.add_output("after");
    AddScalar(*body.add_output(), "after", onnx::TensorProto::BOOL);
  }
  if (op != "If") AddFloat(*body.add_input(), "taken");
  onnx::NodeProto& node = *body.add_node();
  node.set_op_type("Identity");
  node.add_input(op == "If" ? "outer" : "taken");
  node.add_output(absl::StrCat("given_", attribute));
  AddFloat(*body.add_output(), absl::StrCat("given_", attribute));
  return body;
}

}  // namespace

// The shortest type of a slot that float32 models would have there.
std::string PreferredType(const OpSchema::FormalParameter& formal) {
  const auto& types = formal.GetTypes();
  std::vector<std::string> names;
  for (const auto& type : types) names.push_back(*type);
  std::sort(names.begin(), names.end());
  for (const char* wanted : {"tensor(float)", "tensor(int64)", "seq(tensor(float))"}) {
    if (std::find(names.begin(), names.end(), wanted) != names.end()) return wanted;
  }
  return names.empty() ? "tensor(float)" : names.front();
}

onnx::TypeProto TypeOf(const std::string& text) {
  TypeProto type;
  const auto inner = [&](std::size_t prefix) {
    return TypeOf(text.substr(prefix, text.size() - prefix - 1));
  };
  if (text.rfind("seq(", 0) == 0) {
    *type.mutable_sequence_type()->mutable_elem_type() = inner(4);
  } else if (text.rfind("optional(", 0) == 0) {
    *type.mutable_optional_type()->mutable_elem_type() = inner(9);
  } else if (text.rfind("map(", 0) == 0) {
    const std::size_t comma = text.find(',');
    const bool by_text = text.substr(4, comma - 4) == "string";
    type.mutable_map_type()->set_key_type(by_text ? onnx::TensorProto::STRING
                                                  : onnx::TensorProto::INT64);
    *type.mutable_map_type()->mutable_value_type() = TypeOf("tensor(float)");
  } else {
    const std::size_t start = text.find('(') + 1;
    std::string upper = text.substr(start, text.size() - start - 1);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    onnx::TensorProto::DataType element = onnx::TensorProto::FLOAT;
    onnx::TensorProto::DataType_Parse(upper, &element);
    auto& tensor = *type.mutable_tensor_type();
    tensor.set_elem_type(element);
    const bool numbers = element == onnx::TensorProto::INT64;
    for (const int dim : numbers ? std::vector<int>{2} : std::vector<int>{1, 2, 3, 3}) {
      tensor.mutable_shape()->add_dim()->set_dim_value(dim);
    }
  }
  return type;
}

AttributeProto SoundAttribute(const std::string& op, const OpSchema::Attribute& attribute) {
  AttributeProto made;
  made.set_name(attribute.name);
  made.set_type(attribute.type);
  switch (attribute.type) {
    case AttributeProto::INT:
      made.set_i(attribute.name == "axis" ? 0 : 1);
      break;
    case AttributeProto::FLOAT:
      made.set_f(0.5F);
      break;
    case AttributeProto::STRING:
      made.set_s(attribute.name == "equation" ? "abcd->abcd" : "x");
      break;
    case AttributeProto::INTS:
      made.add_ints(1);
      made.add_ints(1);
      break;
    case AttributeProto::FLOATS:
      made.add_floats(1);
      made.add_floats(1);
      break;
    case AttributeProto::STRINGS:
      made.add_strings("a");
      made.add_strings("b");
      break;
    case AttributeProto::GRAPH:
      *made.mutable_g() = Body(op, attribute.name);
      break;
    case AttributeProto::TENSOR:
      *made.mutable_t() = Integers({1});
      break;
    case AttributeProto::TYPE_PROTO:
      *made.mutable_tp() = TypeOf("tensor(float)");
      break;
    case AttributeProto::SPARSE_TENSOR:
      *made.mutable_sparse_tensor()->mutable_values() = Integers({1});
      *made.mutable_sparse_tensor()->mutable_indices() = Integers({0});
      made.mutable_sparse_tensor()->add_dims(4);
      break;
    default:
      break;
  }
  return made;
}

onnx::ModelProto SoundModel(const OpSchema& schema) {
  onnx::ModelProto model;
  model.set_ir_version(10);
  onnx::OperatorSetIdProto& own = *model.add_opset_import();
  own.set_domain(schema.domain());
  own.set_version(schema.SinceVersion());
  if (!schema.domain().empty()) {
    onnx::OperatorSetIdProto& onnx_domain = *model.add_opset_import();
    onnx_domain.set_domain("");
    onnx_domain.set_version(12);
  }
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("g");
  AddFloat(*graph.add_input(), "outer");
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(schema.Name());
  node.set_domain(schema.domain());
  node.set_name("tried");
  int slot = 0;
  for (const OpSchema::FormalParameter& formal : schema.inputs()) {
    const std::string name = absl::StrCat("in", slot++);
    node.add_input(name);
    onnx::ValueInfoProto& info = *graph.add_input();
    info.set_name(name);
    *info.mutable_type() = TypeOf(PreferredType(formal));
  }
  if (schema.Name() == "Loop") AddScalar(*graph.mutable_input(1), "in0", onnx::TensorProto::INT64);
  if (schema.Name() == "If") AddScalar(*graph.mutable_input(1), "in0", onnx::TensorProto::BOOL);
  slot = 0;
  for (const OpSchema::FormalParameter& formal : schema.outputs()) {
    const std::string name = absl::StrCat("out", slot++);
    node.add_output(name);
    onnx::ValueInfoProto& info = *graph.add_output();
    info.set_name(name);
    *info.mutable_type() = TypeOf(PreferredType(formal));
    if (info.type().has_tensor_type()) {
      info.mutable_type()->mutable_tensor_type()->clear_shape();
    }
  }
  std::vector<const OpSchema::Attribute*> attributes;
  for (const auto& [name, attribute] : schema.attributes()) {
    if (attribute.required) attributes.push_back(&attribute);
  }
  std::sort(attributes.begin(), attributes.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  for (const auto* attribute : attributes) {
    *node.add_attribute() = SoundAttribute(schema.Name(), *attribute);
  }
  return model;
}

void MakeCases(const OpSchema& schema, Breadth breadth,
               const std::function<void(const std::string&, const onnx::ModelProto&)>& take) {
  const onnx::ModelProto sound = SoundModel(schema);
  take("as it should be", sound);
  MutateInputs(schema, sound, breadth, take);
  MutateOutputs(schema, sound, breadth, take);
  MutateAttributes(schema, sound, breadth, take);
}

}  // namespace onnxquant
