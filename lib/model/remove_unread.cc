#include "lib/model/remove_unread.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace onnxquant {
namespace {

// The nodes of one graph, found from its outputs backwards.
class Walk {
 public:
  explicit Walk(const onnx::GraphProto& graph)
      : graph_(graph), live_(static_cast<std::size_t>(graph.node_size()), false) {
    for (int i = 0; i < graph.node_size(); ++i) {
      for (const std::string& output : graph.node(i).output()) {
        if (output.empty()) continue;
        if (!producers_.emplace(output, i).second) is_valid_ = false;
      }
    }
    for (const onnx::ValueInfoProto& output : graph.output()) Need(output.name());
    while (!open_.empty()) {
      const int node = open_.back();
      open_.pop_back();
      NeedInputs(graph_.node(node));
    }
  }

  bool IsLive(int node) const { return !is_valid_ || live_[static_cast<std::size_t>(node)]; }

 private:
  // A name may be another value of a body; then a node is kept that need not be.
  void Need(const std::string& name) {
    const auto producer = producers_.find(name);
    if (producer == producers_.end()) return;
    const auto node = static_cast<std::size_t>(producer->second);
    if (!live_[node]) open_.push_back(producer->second);
    live_[node] = true;
  }

  void NeedInputs(const onnx::NodeProto& node) {
    for (const std::string& input : node.input()) Need(input);
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) NeedInputs(attribute.g());
      for (const onnx::GraphProto& body : attribute.graphs()) NeedInputs(body);
    }
  }

  void NeedInputs(const onnx::GraphProto& body) {
    for (const onnx::NodeProto& node : body.node()) NeedInputs(node);
    for (const onnx::ValueInfoProto& output : body.output()) Need(output.name());
  }

  const onnx::GraphProto& graph_;
  std::vector<bool> live_;
  std::vector<int> open_;
  absl::flat_hash_map<std::string, int> producers_;
  bool is_valid_ = true;  // no value is defined twice
};

}  // namespace

std::size_t RemoveUnread(onnx::GraphProto& graph) {
  std::size_t removed = 0;
  // Bodies first: what only their unread nodes read is unread itself.
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) removed += RemoveUnread(*attribute.mutable_g());
      for (onnx::GraphProto& body : *attribute.mutable_graphs()) removed += RemoveUnread(body);
    }
  }
  const Walk walk(graph);
  int kept = 0;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (walk.IsLive(i)) graph.mutable_node()->SwapElements(i, kept++);
  }
  removed += static_cast<std::size_t>(graph.node_size() - kept);
  graph.mutable_node()->DeleteSubrange(kept, graph.node_size() - kept);
  return removed;
}

}  // namespace onnxquant
