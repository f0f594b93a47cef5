#include "fuzz/mutate_model.h"

#include <string>
#include <vector>

#include "onnx/defs/schema.h"

namespace onnxquant::fuzz {
namespace {

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

template <typename T>
std::vector<T*> AllOf(ModelProto& model) {
  std::vector<T*> found;
  for (auto* message : MessagesIn(model)) {
    if (message->GetDescriptor() == T::descriptor()) found.push_back(static_cast<T*>(message));
  }
  return found;
}

const std::vector<onnx::OpSchema>& Schemas() {
  static const auto& all = *new std::vector<onnx::OpSchema>(
      onnx::OpSchemaRegistry::get_all_schemas());  // NOLINT(cppcoreguidelines-owning-memory)
  return all;
}

// Operators of ONNX Runtime, and what the project looks at by name.
const std::vector<std::string>& ContribOps() {
  static const auto& all = *new std::vector<std::string>{"MatMulNBits",
                                                         "SkipLayerNormalization",
                                                         "SkipSimplifiedLayerNormalization",
                                                         "SimplifiedLayerNormalization",
                                                         "GroupQueryAttention",
                                                         "MultiHeadAttention",
                                                         "Attention",
                                                         "RotaryEmbedding",
                                                         "EmbedLayerNormalization",
                                                         "FusedMatMul",
                                                         "BiasGelu",
                                                         "FastGelu",
                                                         "GatherBlockQuantized",
                                                         "QuickGelu",
                                                         "BeamSearch",
                                                         "LayerNormalization"};
  return all;
}

std::vector<std::string> Words(ModelProto& model) {
  std::vector<std::string> words = {"<inline>",
                                    "<memory>",
                                    "location",
                                    "offset",
                                    "length",
                                    "com.microsoft",
                                    "ai.onnx",
                                    "ai.onnx.ml",
                                    "value",
                                    "to",
                                    "model.layers.0.mlp",
                                    "0",
                                    "18446744073709551615"};
  for (const NodeProto* node : AllOf<NodeProto>(model)) {
    words.insert(words.end(), node->input().begin(), node->input().end());
    words.insert(words.end(), node->output().begin(), node->output().end());
    words.push_back(node->op_type());
  }
  for (const TensorProto* tensor : AllOf<TensorProto>(model)) words.push_back(tensor->name());
  return words;
}

// The attributes that an operator has, each of the kind that it wants, some left out.
void FillAttributes(const onnx::OpSchema& schema, NodeProto& node, Random& random) {
  for (const auto& [name, attribute] : schema.attributes()) {
    if (!attribute.required && Below(random, 3) != 0) continue;
    AttributeProto& made = *node.add_attribute();
    made.set_name(name);
    made.set_type(attribute.type);
    if (attribute.type == AttributeProto::INT) {
      made.set_i(static_cast<std::int64_t>(Below(random, 20)) - 2);
    } else if (attribute.type == AttributeProto::INTS) {
      for (std::size_t i = Below(random, 5); i > 0; --i) {
        made.add_ints(static_cast<std::int64_t>(Below(random, 5)) - 1);
      }
    } else if (attribute.type == AttributeProto::FLOAT) {
      made.set_f(1e-6F);
    } else if (attribute.type == AttributeProto::GRAPH) {
      made.mutable_g()->set_name("body");
    } else if (attribute.type == AttributeProto::TENSOR) {
      made.mutable_t()->set_data_type(TensorProto::FLOAT);
      made.mutable_t()->add_float_data(1);
    }
  }
}

void ChangeOperator(NodeProto& node, Random& random) {
  if (Below(random, 4) == 0) {
    node.set_domain("com.microsoft");
    node.set_op_type(OneOf(random, ContribOps()));
    return;
  }
  const onnx::OpSchema& schema = OneOf(random, Schemas());
  node.set_op_type(schema.Name());
  node.set_domain(schema.domain());
  if (Below(random, 2) == 0) return;  // with the attributes of another
  node.clear_attribute();
  FillAttributes(schema, node, random);
  while (node.input_size() < schema.min_input()) node.add_input("");
  while (node.output_size() < schema.min_output()) {
    node.add_output(node.op_type() + "_" + std::to_string(node.output_size()));
  }
}

void ChangeEdge(NodeProto& node, const std::vector<std::string>& words, Random& random) {
  const bool input = Below(random, 3) != 0;
  auto& names = input ? *node.mutable_input() : *node.mutable_output();
  if (names.empty() || Below(random, 5) == 0) {
    *names.Add() = OneOf(random, words);
  } else {
    const auto at = static_cast<int>(Below(random, static_cast<std::size_t>(names.size())));
    *names.Mutable(at) = Below(random, 6) == 0 ? "" : OneOf(random, words);
  }
}

void ChangeTensor(TensorProto& tensor, Random& random) {
  switch (Below(random, 5)) {
    case 0:  // a type that fits the payload, or not
      tensor.set_data_type(static_cast<int>(Below(random, 30)));
      return;
    case 1:  // a shape, and a payload that fits it
      tensor.clear_dims();
      tensor.clear_float_data();
      tensor.set_data_type(TensorProto::FLOAT);
      tensor.add_dims(static_cast<std::int64_t>(Below(random, 40)));
      tensor.add_dims(static_cast<std::int64_t>(Below(random, 40)));
      tensor.set_raw_data(std::string(static_cast<std::size_t>(4 * tensor.dims(0) * tensor.dims(1)),
                                      static_cast<char>(random())));
      return;
    case 2: {  // elsewhere
      tensor.clear_raw_data();
      tensor.clear_external_data();
      tensor.set_data_location(TensorProto::EXTERNAL);
      const std::vector<std::string> places = {"<inline>", "<memory>", "model.onnx",
                                               "../x",     "/",        ""};
      const std::vector<std::string> counts = {"0", "1", "64", "4096", "18446744073709551615",
                                               "-1"};
      for (const char* key : {"location", "offset", "length"}) {
        auto& entry = *tensor.add_external_data();
        entry.set_key(key);
        entry.set_value(OneOf(random, std::string(key) == "location" ? places : counts));
      }
      return;
    }
    case 3:
      if (tensor.dims_size() > 0) {
        const auto at = Below(random, static_cast<std::size_t>(tensor.dims_size()));
        tensor.set_dims(static_cast<int>(at), static_cast<std::int64_t>(Below(random, 70)) - 2);
      }
      return;
    default:
      for (char& byte : *tensor.mutable_raw_data()) {
        if (Below(random, 8) == 0) byte = static_cast<char>(random());
      }
  }
}

// Some nodes of a graph move into the body of an If.
void WrapInBody(GraphProto& graph, Random& random) {
  if (graph.node_size() == 0 || graph.node_size() > 200) return;
  const auto at = static_cast<int>(Below(random, static_cast<std::size_t>(graph.node_size())));
  NodeProto inner = graph.node(at);
  NodeProto& node = *graph.mutable_node(at);
  node.Clear();
  node.set_op_type("If");
  node.add_input(inner.input_size() > 0 ? inner.input(0) : "");
  *node.mutable_output() = inner.output();
  for (const char* branch : {"then_branch", "else_branch"}) {
    AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(branch);
    attribute.set_type(AttributeProto::GRAPH);
    GraphProto& body = *attribute.mutable_g();
    body.set_name(branch);
    *body.add_node() = inner;
    for (const std::string& output : inner.output()) body.add_output()->set_name(output);
  }
}

// A node becomes a call of a local function that does the same.
void MoveToFunction(ModelProto& model, NodeProto& node, Random& random) {
  if (model.functions_size() > 8) return;
  const NodeProto inner = node;
  onnx::FunctionProto& function = *model.add_functions();
  function.set_name(inner.op_type() + "Function" + std::to_string(Below(random, 4)));
  function.set_domain("local");
  for (const std::string& name : inner.input()) function.add_input(name);
  for (const std::string& name : inner.output()) function.add_output(name);
  *function.add_node() = inner;
  *function.mutable_opset_import() = model.opset_import();
  node.clear_attribute();
  node.set_domain("local");
  node.set_op_type(function.name());
  for (const auto& import : model.opset_import()) {
    if (import.domain() == "local") return;
  }
  auto& opset = *model.add_opset_import();
  opset.set_domain("local");
  opset.set_version(1);
}

}  // namespace

void MutateModel(ModelProto& model, const ModelProto* donor, Random& random) {
  const std::vector<std::string> words = Words(model);
  const auto nodes = AllOf<NodeProto>(model);
  const auto tensors = AllOf<TensorProto>(model);
  switch (Below(random, 12)) {
    case 0:
    case 1:
      if (!nodes.empty()) return ChangeOperator(*OneOf(random, nodes), random);
      break;
    case 2:
    case 3:
      if (!nodes.empty()) return ChangeEdge(*OneOf(random, nodes), words, random);
      break;
    case 4:
    case 5:
      if (!tensors.empty()) return ChangeTensor(*OneOf(random, tensors), random);
      break;
    case 6:
      WrapInBody(*OneOf(random, AllOf<GraphProto>(model).empty()
                                    ? std::vector<GraphProto*>{model.mutable_graph()}
                                    : AllOf<GraphProto>(model)),
                 random);
      return;
    case 7:
      if (!nodes.empty()) return MoveToFunction(model, *OneOf(random, nodes), random);
      break;
    case 8:
      if (model.opset_import_size() > 0) {
        model.mutable_opset_import(0)->set_version(static_cast<std::int64_t>(Below(random, 28)));
        return;
      }
      break;
    default:
      break;
  }
  MutateMessage(model, donor, words, random);
}

}  // namespace onnxquant::fuzz
