#include "lib/rewrite/remove_dead.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"

namespace onnxquant {
namespace {

using Names = absl::flat_hash_set<std::string>;

void AddReads(const onnx::GraphProto& graph, Names& read);

void AddReads(const onnx::NodeProto& node, Names& read) {
  read.insert(node.input().begin(), node.input().end());
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) AddReads(attribute.g(), read);
    for (const onnx::GraphProto& body : attribute.graphs()) AddReads(body, read);
  }
}

void AddReads(const onnx::GraphProto& graph, Names& read) {
  for (const onnx::NodeProto& node : graph.node()) AddReads(node, read);
  for (const onnx::ValueInfoProto& output : graph.output()) read.insert(output.name());
}

}  // namespace

void RemoveDead(onnx::GraphProto& graph) {
  Names read;
  for (const onnx::ValueInfoProto& output : graph.output()) read.insert(output.name());
  // Nodes stand in topological order, so one walk from the end sees every reader first.
  std::vector<bool> live(static_cast<std::size_t>(graph.node_size()), false);
  for (int i = graph.node_size() - 1; i >= 0; --i) {
    const onnx::NodeProto& node = graph.node(i);
    const auto is_read = [&read](const std::string& name) { return read.contains(name); };
    if (std::none_of(node.output().begin(), node.output().end(), is_read)) continue;
    live[static_cast<std::size_t>(i)] = true;
    AddReads(node, read);
  }
  int kept = 0;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (live[static_cast<std::size_t>(i)]) graph.mutable_node()->SwapElements(i, kept++);
  }
  graph.mutable_node()->DeleteSubrange(kept, graph.node_size() - kept);
}

}  // namespace onnxquant
