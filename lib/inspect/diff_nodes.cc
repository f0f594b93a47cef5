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

NodesByKey NodesOf(const Graph& graph) {
  NodesByKey nodes;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const onnx::NodeProto& node = *graph.node(id).proto;
    nodes.emplace(NodeKey(node), &node);
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

}  // namespace onnxquant
