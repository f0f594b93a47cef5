#include "lib/inspect/diff_nodes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace onnxquant {
namespace {

std::string Meaning(onnx::AttributeProto attribute) {
  attribute.clear_doc_string();
  return attribute.SerializeAsString();
}

template <typename Names>
bool SameNames(const Names& one, const Names& two) {
  return std::equal(one.begin(), one.end(), two.begin(), two.end());
}

std::string WhatDiffers(const onnx::NodeProto& one, const onnx::NodeProto& two) {
  std::vector<std::string> what;
  if (one.op_type() != two.op_type() || one.domain() != two.domain()) what.push_back("operator");
  if (!SameNames(one.input(), two.input())) what.push_back("inputs");
  if (!SameNames(one.output(), two.output())) what.push_back("outputs");
  std::map<std::string, std::pair<std::string, std::string>> attributes;  // "" for none
  for (const auto& attribute : one.attribute()) {
    attributes[attribute.name()].first = Meaning(attribute);
  }
  for (const auto& attribute : two.attribute()) {
    attributes[attribute.name()].second = Meaning(attribute);
  }
  for (const auto& [name, values] : attributes) {
    if (values.first != values.second) what.push_back(absl::StrCat("attribute ", name));
  }
  return absl::StrJoin(what, ", ");
}

std::string FunctionKey(const onnx::FunctionProto& function) {
  const std::string overload = function.overload().empty() ? "" : ":" + function.overload();
  return absl::StrCat(function.domain(), "::", function.name(), overload);
}

std::map<std::string, const onnx::FunctionProto*> FunctionsOf(const onnx::ModelProto& model) {
  std::map<std::string, const onnx::FunctionProto*> functions;
  for (const auto& function : model.functions())
    functions.emplace(FunctionKey(function), &function);
  return functions;
}

// Of what the attributes are by default, too.
std::string AttributesText(const onnx::FunctionProto& function) {
  std::set<std::string> texts(function.attribute().begin(), function.attribute().end());
  for (const auto& attribute : function.attribute_proto()) texts.insert(Meaning(attribute));
  return absl::StrJoin(texts, "\n");
}

std::string OpsetsText(const onnx::FunctionProto& function) {
  std::set<std::string> texts;
  for (const auto& import : function.opset_import()) {
    texts.insert(absl::StrCat(import.domain(), " ", import.version()));
  }
  return absl::StrJoin(texts, "\n");
}

std::string WhatDiffers(const onnx::FunctionProto& one, const onnx::FunctionProto& two) {
  std::vector<std::string> what;
  if (!SameNames(one.input(), two.input())) what.push_back("inputs");
  if (!SameNames(one.output(), two.output())) what.push_back("outputs");
  if (AttributesText(one) != AttributesText(two)) what.push_back("attributes");
  if (OpsetsText(one) != OpsetsText(two)) what.push_back("opsets");
  return absl::StrJoin(what, ", ");
}

template <typename Values>
std::string NamesOf(const Values& values) {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& value : values) names.push_back(value.name());
  return absl::StrJoin(names, ", ");
}

}  // namespace

std::string NodeKey(const onnx::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  for (const std::string& output : node.output()) {
    if (!output.empty()) return absl::StrCat("'", output, "' of ", node.op_type());
  }
  return node.op_type();
}

std::string Numbered::Next(const std::string& name) {
  std::string unique = name;
  for (int& number = last_[name]; !taken_.insert(unique).second;) {
    number = std::max(number, 1) + 1;
    unique = absl::StrCat(name, " (", number, ")");
  }
  return unique;
}

NodesByKey NodesOf(const Graph& graph) {
  NodesByKey nodes;
  Numbered names;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const onnx::NodeProto& node = *graph.node(id).proto;
    nodes.emplace(names.Next(NodeKey(node)), &node);
  }
  for (const auto& [name, function] : FunctionsOf(graph.model())) {
    for (const onnx::NodeProto& node : function->node()) {
      nodes.emplace(names.Next(absl::StrCat(name, ": ", NodeKey(node))), &node);
    }
  }
  return nodes;
}

std::vector<NodeDifference> DiffNodes(const NodesByKey& first, const NodesByKey& second) {
  std::vector<NodeDifference> differences;
  for (const auto& [key, node] : first) {
    const auto other = second.find(key);
    if (other == second.end()) continue;
    std::string what = WhatDiffers(*node, *other->second);
    if (!what.empty()) differences.push_back({key, std::move(what)});
  }
  return differences;
}

std::vector<std::string> DiffInterfaces(const onnx::GraphProto& first,
                                        const onnx::GraphProto& second) {
  std::vector<std::string> differences;
  const auto add = [&differences](const char* what, const std::string& a, const std::string& b) {
    if (a != b) differences.push_back(absl::StrCat(what, ": ", a, " and ", b));
  };
  add("inputs", NamesOf(first.input()), NamesOf(second.input()));
  add("outputs", NamesOf(first.output()), NamesOf(second.output()));
  return differences;
}

std::string ShapeText(const onnx::ValueInfoProto& info) {
  if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape()) return "";
  std::vector<std::string> dims;
  for (const auto& dim : info.type().tensor_type().shape().dim()) {
    dims.push_back(dim.has_dim_value()       ? absl::StrCat(dim.dim_value())
                   : dim.dim_param().empty() ? "?"
                                             : dim.dim_param());
  }
  return absl::StrCat("[", absl::StrJoin(dims, ", "), "]");
}

std::vector<ShapeDifference> DiffShapes(const onnx::GraphProto& first,
                                        const onnx::GraphProto& second) {
  std::vector<ShapeDifference> differences;
  const auto add = [&differences](bool input, const auto& values, const auto& others) {
    std::map<std::string, std::string> shapes;
    const auto text = [](const onnx::ValueInfoProto& value) {
      const std::string shape = ShapeText(value);
      return shape.empty() ? "unknown" : shape;
    };
    for (const onnx::ValueInfoProto& other : others) shapes[other.name()] = text(other);
    for (const onnx::ValueInfoProto& value : values) {
      const auto other = shapes.find(value.name());
      if (other == shapes.end() || other->second == text(value)) continue;
      differences.push_back({value.name(), input, text(value), other->second});
    }
  };
  add(true, first.input(), second.input());
  add(false, first.output(), second.output());
  return differences;
}

std::vector<FunctionDifference> DiffFunctions(const onnx::ModelProto& first,
                                              const onnx::ModelProto& second) {
  std::vector<FunctionDifference> differences;
  const auto one = FunctionsOf(first);
  const auto two = FunctionsOf(second);
  for (const auto& [name, function] : one) {
    const auto other = two.find(name);
    std::string what =
        other == two.end() ? "only in the first" : WhatDiffers(*function, *other->second);
    if (!what.empty()) differences.push_back({name, std::move(what)});
  }
  for (const auto& [name, unused] : two) {
    if (one.find(name) == one.end()) differences.push_back({name, "only in the second"});
  }
  return differences;
}

}  // namespace onnxquant
