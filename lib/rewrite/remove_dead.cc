#include "lib/rewrite/remove_dead.h"

#include <algorithm>
#include <cstddef>
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

// What keeps an initializer: a reader, or a graph input or output of its name.
Names NamesInUse(const onnx::GraphProto& graph) {
  Names names;
  AddReads(graph, names);
  for (const onnx::ValueInfoProto& input : graph.input()) names.insert(input.name());
  return names;
}

}  // namespace

Names RemoveDead(onnx::GraphProto& graph, SealedNodes& sealed) {
  Names read;
  for (const onnx::ValueInfoProto& output : graph.output()) read.insert(output.name());
  // Nodes stand in topological order, so one walk from the end sees every reader first, and nothing
  // asks again for what a node makes once it is seen.
  const auto keep = [&read](const onnx::NodeProto& node) {
    bool live = false;
    for (const std::string& name : node.output()) live = read.erase(name) > 0 || live;
    if (live) AddReads(node, read);
    return live;
  };
  std::vector<bool> live(static_cast<std::size_t>(graph.node_size()), false);
  for (int i = graph.node_size() - 1; i >= 0; --i) {
    const onnx::NodeProto& node = graph.node(i);
    live[static_cast<std::size_t>(i)] = keep(node);
  }
  sealed.FilterBackwards(keep);
  int kept = 0;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (live[static_cast<std::size_t>(i)]) graph.mutable_node()->SwapElements(i, kept++);
  }
  graph.mutable_node()->DeleteSubrange(kept, graph.node_size() - kept);
  return read;
}

void RemoveUnreadInitializers(onnx::GraphProto& body) {
  const Names used = NamesInUse(body);
  int kept = 0;
  for (int i = 0; i < body.initializer_size(); ++i) {
    if (used.contains(body.initializer(i).name())) {
      body.mutable_initializer()->SwapElements(i, kept++);
    }
  }
  body.mutable_initializer()->DeleteSubrange(kept, body.initializer_size() - kept);
}

void RemoveUnreadInitializers(Rewritten& result, Names used) {
  onnx::GraphProto& graph = *result.model.mutable_graph();
  for (const onnx::ValueInfoProto& input : graph.input()) used.insert(input.name());
  std::vector<int> places(static_cast<std::size_t>(graph.initializer_size()), 0);
  for (const FillJob& job : result.jobs) {
    for (const int target : job.targets) {
      const std::string& name = graph.initializer(target).name();
      if (used.contains(name)) continue;
      places[static_cast<std::size_t>(target)] = kNotStored;
      result.unread[name] = result.bytes[static_cast<std::size_t>(target)];
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i] == kNotStored) continue;
    graph.mutable_initializer()->SwapElements(static_cast<int>(i), static_cast<int>(kept));
    result.bytes[kept] = result.bytes[i];
    result.keep_inline[kept] = result.keep_inline[i];
    places[i] = static_cast<int>(kept++);
  }
  graph.mutable_initializer()->DeleteSubrange(static_cast<int>(kept),
                                              graph.initializer_size() - static_cast<int>(kept));
  result.bytes.resize(kept);
  result.keep_inline.resize(kept);
  for (FillJob& job : result.jobs) {
    for (int& target : job.targets) target = places[static_cast<std::size_t>(target)];
  }
  const auto fills_nothing = [](const FillJob& job) {
    return std::all_of(job.targets.begin(), job.targets.end(),
                       [](int target) { return target == kNotStored; });
  };
  result.jobs.erase(std::remove_if(result.jobs.begin(), result.jobs.end(), fills_nothing),
                    result.jobs.end());
}

}  // namespace onnxquant
