#include "lib/model/sort_nodes.h"

#include <cstddef>
#include <functional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace onnxquant {
namespace {

using Producers = absl::flat_hash_map<std::string, int>;

// Which nodes of one graph wait for which.
class Order {
 public:
  explicit Order(const onnx::GraphProto& graph)
      : readers_(static_cast<std::size_t>(graph.node_size())),
        missing_(static_cast<std::size_t>(graph.node_size()), 0) {
    Producers producers;
    for (int i = 0; i < graph.node_size(); ++i) {
      for (const std::string& output : graph.node(i).output()) {
        if (!output.empty()) producers.emplace(output, i);
      }
    }
    for (int i = 0; i < graph.node_size(); ++i) AddReads(graph.node(i), producers, i);
  }

  bool sorted() const { return sorted_; }

  // The positions of the nodes, sorted; too few if there is a cycle.
  std::vector<int> Sort() {
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (std::size_t i = 0; i < missing_.size(); ++i) {
      if (missing_[i] == 0) ready.push(static_cast<int>(i));
    }
    std::vector<int> order;
    while (!ready.empty()) {
      order.push_back(ready.top());
      ready.pop();
      for (const int reader : readers_[static_cast<std::size_t>(order.back())]) {
        if (--missing_[static_cast<std::size_t>(reader)] == 0) ready.push(reader);
      }
    }
    return order;
  }

 private:
  void AddRead(const std::string& name, const Producers& producers, int reader) {
    const auto producer = producers.find(name);
    if (producer == producers.end()) return;
    readers_[static_cast<std::size_t>(producer->second)].push_back(reader);
    ++missing_[static_cast<std::size_t>(reader)];
    if (producer->second >= reader) sorted_ = false;
  }

  void AddReads(const onnx::NodeProto& node, const Producers& producers, int reader) {
    for (const std::string& input : node.input()) AddRead(input, producers, reader);
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) AddReads(attribute.g(), producers, reader);
      for (const onnx::GraphProto& body : attribute.graphs()) AddReads(body, producers, reader);
    }
  }

  void AddReads(const onnx::GraphProto& body, const Producers& producers, int reader) {
    for (const onnx::NodeProto& node : body.node()) AddReads(node, producers, reader);
    for (const onnx::ValueInfoProto& output : body.output()) {
      AddRead(output.name(), producers, reader);
    }
  }

  std::vector<std::vector<int>> readers_;
  std::vector<int> missing_;  // by node: how many of its reads are not made yet
  bool sorted_ = true;
};

}  // namespace

bool SortNodes(onnx::GraphProto& graph) {
  bool moved = false;
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) moved |= SortNodes(*attribute.mutable_g());
      for (onnx::GraphProto& body : *attribute.mutable_graphs()) moved |= SortNodes(body);
    }
  }
  Order order(graph);
  if (order.sorted()) return moved;
  const std::vector<int> places = order.Sort();
  if (places.size() != static_cast<std::size_t>(graph.node_size())) return moved;
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  nodes.Reserve(graph.node_size());
  for (const int place : places) *nodes.Add() = std::move(*graph.mutable_node(place));
  graph.mutable_node()->Swap(&nodes);
  return true;
}

}  // namespace onnxquant
