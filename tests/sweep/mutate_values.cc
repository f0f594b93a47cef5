#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sweep/mutations.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 62;
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr int kSlots = 6;  // more slots than that differ in nothing

onnx::TensorProto Shaped(const std::vector<std::int64_t>& dims, int type) {
  onnx::TensorProto tensor;
  tensor.set_data_type(type);
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) {
    tensor.add_dims(dim);
    count *= dim;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    if (type == onnx::TensorProto::INT64) {
      tensor.add_int64_data(i);
    } else if (type == onnx::TensorProto::STRING) {
      tensor.add_string_data("a");
    } else if (type == onnx::TensorProto::FLOAT) {
      tensor.add_float_data(0.5F);
    } else {
      tensor.add_int32_data(1);
    }
  }
  return tensor;
}

onnx::ValueInfoProto* FindInput(onnx::GraphProto& graph, const std::string& name) {
  for (onnx::ValueInfoProto& info : *graph.mutable_input()) {
    if (info.name() == name) return &info;
  }
  return nullptr;
}

void RemoveInput(onnx::GraphProto& graph, const std::string& name) {
  for (int i = 0; i < graph.input_size(); ++i) {
    if (graph.input(i).name() == name) graph.mutable_input()->DeleteSubrange(i--, 1);
  }
}

// The slot's value becomes a constant.
onnx::ModelProto WithConstant(const onnx::ModelProto& sound, int slot, onnx::TensorProto tensor,
                              bool also_input) {
  onnx::ModelProto model = sound;
  const std::string name = absl::StrCat("in", slot);
  if (!also_input) RemoveInput(*model.mutable_graph(), name);
  tensor.set_name(name);
  *model.mutable_graph()->add_initializer() = std::move(tensor);
  return model;
}

// The slot's value comes out of a Constant node.
onnx::ModelProto WithConstantNode(const onnx::ModelProto& sound, int slot,
                                  onnx::AttributeProto attribute) {
  onnx::ModelProto model = sound;
  onnx::GraphProto& graph = *model.mutable_graph();
  RemoveInput(graph, absl::StrCat("in", slot));
  onnx::NodeProto& constant = *graph.add_node();
  constant.set_op_type("Constant");
  constant.add_output(absl::StrCat("in", slot));
  *constant.add_attribute() = std::move(attribute);
  graph.mutable_node()->SwapElements(0, graph.node_size() - 1);
  return model;
}

void MutateTypes(const onnx::ModelProto& sound, int slot, const TakeCase& take) {
  const std::string name = absl::StrCat("in", slot);
  const auto typed = [&](const std::string& what, const onnx::TypeProto& type) {
    onnx::ModelProto model = sound;
    *FindInput(*model.mutable_graph(), name)->mutable_type() = type;
    take(absl::StrCat("input ", slot, " ", what), model);
  };
  for (const char* text :
       {"tensor(string)", "tensor(int64)", "tensor(float)", "tensor(bool)", "tensor(float16)",
        "tensor(double)", "tensor(bfloat16)", "tensor(int32)", "tensor(complex64)",
        "seq(tensor(float))", "seq(tensor(int64))", "optional(tensor(float))",
        "optional(seq(tensor(float)))", "map(int64,tensor(float))"}) {
    typed(absl::StrCat("of type ", text), TypeOf(text));
  }
  typed("of no type", onnx::TypeProto());
  onnx::TypeProto type;
  type.mutable_tensor_type();
  typed("of no element type", type);
  type.mutable_tensor_type()->set_elem_type(99);
  typed("of an unknown element type", type);
  type.Clear();
  type.mutable_sequence_type();
  typed("a sequence of nothing", type);
  type.Clear();
  type.mutable_optional_type();
  typed("an optional of nothing", type);
  type.Clear();
  type.mutable_map_type();
  typed("a map of nothing", type);
  type.Clear();
  *type.mutable_sparse_tensor_type()->mutable_shape() =
      TypeOf("tensor(float)").tensor_type().shape();
  type.mutable_sparse_tensor_type()->set_elem_type(1);
  typed("a sparse tensor", type);
  type.Clear();
  type.mutable_opaque_type();
  typed("opaque", type);

  onnx::ModelProto model = sound;
  FindInput(*model.mutable_graph(), name)->clear_type();
  take(absl::StrCat("input ", slot, " untyped"), model);
  RemoveInput(*model.mutable_graph(), name);
  onnx::NodeProto& maker = *model.mutable_graph()->add_node();
  maker.set_op_type("Maker");
  maker.set_domain("elsewhere");
  maker.add_input("outer");
  maker.add_output(name);
  model.add_opset_import()->set_domain("elsewhere");
  model.mutable_opset_import(model.opset_import_size() - 1)->set_version(1);
  take(absl::StrCat("input ", slot, " made by an unknown operator"), model);
  model = sound;
  RemoveInput(*model.mutable_graph(), name);
  take(absl::StrCat("input ", slot, " never made"), model);
}

void MutateShapes(const onnx::ModelProto& sound, int slot, const TakeCase& take) {
  const std::string name = absl::StrCat("in", slot);
  const auto shaped = [&](const std::string& what, const std::vector<std::int64_t>& dims) {
    onnx::ModelProto model = sound;
    onnx::TypeProto& type = *FindInput(*model.mutable_graph(), name)->mutable_type();
    if (!type.has_tensor_type()) return;
    auto& shape = *type.mutable_tensor_type()->mutable_shape();
    shape.Clear();
    for (const std::int64_t dim : dims) shape.add_dim()->set_dim_value(dim);
    take(absl::StrCat("input ", slot, " ", what), model);
  };
  shaped("a scalar", {});
  shaped("of rank 1", {4});
  shaped("of rank 2", {4, 3});
  shaped("of rank 3", {2, 3, 4});
  shaped("of rank 5", {1, 2, 3, 4, 5});
  shaped("of rank 12", std::vector<std::int64_t>(12, 2));
  shaped("with an empty dimension", {1, 0, 3, 3});
  shaped("with a negative dimension", {1, -3, 3, 3});
  shaped("with the least dimension", {kLeast, kLeast, 3, 3});
  shaped("with a huge dimension", {1, kHuge, kHuge, kHuge});
  shaped("with one huge dimension", {kHuge});
  shaped("with a huge length of rank 1", {std::int64_t{1} << 40});
  onnx::ModelProto model = sound;
  onnx::TypeProto& type = *FindInput(*model.mutable_graph(), name)->mutable_type();
  if (!type.has_tensor_type()) return;
  type.mutable_tensor_type()->clear_shape();
  take(absl::StrCat("input ", slot, " of no shape"), model);
}

void MutateNumbers(const onnx::ModelProto& sound, int slot, const TakeCase& take) {
  const auto constant = [&](const std::string& what, const onnx::TensorProto& tensor) {
    take(absl::StrCat("input ", slot, " the constant ", what),
         WithConstant(sound, slot, tensor, false));
    onnx::AttributeProto attribute;
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = tensor;
    take(absl::StrCat("input ", slot, " the Constant node ", what),
         WithConstantNode(sound, slot, attribute));
  };
  constant("1", Integers({1}));
  constant("[1, 0]", Integers({1, 0}));
  constant("[-1, -1]", Integers({-1, -1}));
  constant("of huge numbers", Integers({kHuge, kHuge}));
  constant("of the least numbers", Integers({kLeast, kLeast}));
  constant("of nothing", Integers({}));
  constant("of eight numbers", Integers({0, 0, 0, 0, 1, 1, 1, 1}));
  constant("-9", Integers({-9}));
  constant("of two dimensions", Shaped({2, 2}, onnx::TensorProto::INT64));
  constant("scalar", Shaped({}, onnx::TensorProto::INT64));
  constant("float", Shaped({2}, onnx::TensorProto::FLOAT));
  constant("float scalar", Shaped({}, onnx::TensorProto::FLOAT));
  constant("string", Shaped({2}, onnx::TensorProto::STRING));
  constant("bool", Shaped({1}, onnx::TensorProto::BOOL));
  constant("int32", Shaped({2}, onnx::TensorProto::INT32));
  onnx::TensorProto tensor = Integers({1, 2});
  tensor.add_dims(7);
  constant("of less data than its shape", tensor);
  tensor = Integers({1, 2});
  tensor.set_dims(0, kHuge);
  constant("of a huge shape", tensor);
  tensor.set_dims(0, -2);
  constant("of a negative shape", tensor);
  tensor = Integers({});
  tensor.set_dims(0, 2);
  tensor.clear_int64_data();
  tensor.set_raw_data("abc");
  constant("of torn raw data", tensor);
  tensor = Integers({1, 2});
  tensor.set_raw_data(std::string(16, '\1'));
  constant("in two fields", tensor);
  tensor = Integers({1, 2});
  tensor.set_data_type(0);
  constant("of no type", tensor);
  tensor.set_data_type(77);
  constant("of an unknown type", tensor);
  tensor = Integers({1, 2});
  tensor.clear_int64_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  constant("external without a place", tensor);
  take(absl::StrCat("input ", slot, " a default of another type"),
       WithConstant(sound, slot, Shaped({2}, onnx::TensorProto::STRING), true));
  onnx::AttributeProto attribute;
  attribute.set_name("value_ints");
  attribute.set_type(onnx::AttributeProto::INTS);
  take(absl::StrCat("input ", slot, " a Constant of no integers"),
       WithConstantNode(sound, slot, attribute));
  attribute.add_ints(kHuge);
  take(absl::StrCat("input ", slot, " a Constant of a huge integer"),
       WithConstantNode(sound, slot, attribute));
  attribute.Clear();
  attribute.set_name("value_string");
  attribute.set_type(onnx::AttributeProto::STRING);
  take(absl::StrCat("input ", slot, " a Constant of a string"),
       WithConstantNode(sound, slot, attribute));
}

}  // namespace

onnx::TensorProto Integers(const std::vector<std::int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t value : values) tensor.add_int64_data(value);
  return tensor;
}

void MutateInputs(const onnx::OpSchema&, const onnx::ModelProto& sound, Breadth breadth,
                  const TakeCase& take) {
  const int inputs = sound.graph().node(0).input_size();
  onnx::ModelProto model = sound;
  for (int count = 0; count < inputs; ++count) {
    model = sound;
    model.mutable_graph()->mutable_node(0)->mutable_input()->DeleteSubrange(count, inputs - count);
    take(absl::StrCat("only ", count, " inputs"), model);
  }
  model = sound;
  for (int more = 1; more <= 3; ++more) {
    model.mutable_graph()->mutable_node(0)->add_input("outer");
    take(absl::StrCat(more, " inputs more"), model);
  }
  model = sound;
  for (std::string& name : *model.mutable_graph()->mutable_node(0)->mutable_input()) name.clear();
  take("all inputs empty", model);
  for (int slot = 0; slot < std::min(inputs, kSlots); ++slot) {
    model = sound;
    model.mutable_graph()->mutable_node(0)->mutable_input(slot)->clear();
    take(absl::StrCat("input ", slot, " empty"), model);
    MutateTypes(sound, slot, take);
    MutateShapes(sound, slot, take);
    MutateNumbers(sound, slot, take);
    if (breadth == Breadth::kOne && slot >= 1) break;
  }
}

void MutateOutputs(const onnx::OpSchema&, const onnx::ModelProto& sound, Breadth,
                   const TakeCase& take) {
  const int outputs = sound.graph().node(0).output_size();
  onnx::ModelProto model = sound;
  model.mutable_graph()->mutable_node(0)->clear_output();
  model.mutable_graph()->clear_output();
  *model.mutable_graph()->add_output() = model.graph().input(0);
  model.mutable_graph()->mutable_output(0)->set_name("outer");
  take("no outputs", model);
  model = sound;
  for (std::string& name : *model.mutable_graph()->mutable_node(0)->mutable_output()) name.clear();
  model.mutable_graph()->clear_output();
  *model.mutable_graph()->add_output() = model.graph().input(0);
  take("all outputs empty", model);
  model = sound;
  for (int more = 0; more < 3; ++more) {
    model.mutable_graph()->mutable_node(0)->add_output(absl::StrCat("more", more));
    *model.mutable_graph()->add_output() = model.graph().input(0);
    model.mutable_graph()->mutable_output(outputs + more)->set_name(absl::StrCat("more", more));
    take(absl::StrCat(more + 1, " outputs more"), model);
  }
  if (outputs == 0) return;
  for (const char* text : {"tensor(string)", "seq(tensor(float))", "optional(tensor(float))"}) {
    model = sound;
    *model.mutable_graph()->mutable_output(0)->mutable_type() = TypeOf(text);
    take(absl::StrCat("output 0 declared ", text), model);
  }
  model = sound;
  model.mutable_graph()->mutable_output(0)->clear_type();
  take("output 0 undeclared", model);
}

}  // namespace onnxquant
