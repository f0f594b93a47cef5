#include "lib/graph/graph.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

namespace onnxquant {

const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, const std::string& name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

std::int64_t IntAttribute(const onnx::NodeProto& node, const std::string& name,
                          std::int64_t fallback) {
  const onnx::AttributeProto* attribute = FindAttribute(node, name);
  return attribute == nullptr ? fallback : attribute->i();
}

class GraphBuilder {
 public:
  GraphBuilder(const onnx::ModelProto& model, std::string origin) : origin_(std::move(origin)) {
    graph_.model_ = &model;
  }

  absl::StatusOr<Graph> Build() {
    ONNXQUANT_RETURN_IF_ERROR(AddScope(graph_.model_->graph(), kNone, kNone, 0));
    ONNXQUANT_RETURN_IF_ERROR(ResolveReads());
    graph_.outputs_.resize(graph_.scopes_.size());
    graph_.scope_order_.resize(graph_.scopes_.size());
    for (ScopeId scope = 0; scope < Count(graph_.scopes_); ++scope) {
      ONNXQUANT_RETURN_IF_ERROR(MarkOutputs(scope));
    }
    ONNXQUANT_RETURN_IF_ERROR(SortAll());
    return std::move(graph_);
  }

 private:
  template <typename T>
  static int Count(const std::vector<T>& items) {
    return static_cast<int>(items.size());
  }

  absl::StatusOr<ValueId> Define(ScopeId scope, const std::string& name, const std::string& what) {
    auto& names = graph_.names_[static_cast<std::size_t>(scope)];
    const ValueId id = Count(graph_.values_);
    if (!names.emplace(name, id).second) {
      return ModelError(origin_, ": value '", name, "' is defined twice, the second time as ", what,
                        "; ONNX wants each value defined once: export the model again");
    }
    Value value;
    value.name = name;
    value.scope = scope;
    graph_.values_.push_back(std::move(value));
    return id;
  }

  Value& At(ValueId id) { return graph_.values_[static_cast<std::size_t>(id)]; }

  absl::Status AddScope(const onnx::GraphProto& proto, ScopeId parent, NodeId owner, int depth) {
    if (depth > limits::kNestedBodies) {
      return ModelError(origin_, ": ", owner == kNone ? "a body" : graph_.Describe(owner),
                        " nests bodies more than ", limits::kNestedBodies,
                        " deep; export the model again with fewer subgraphs inside one another");
    }
    const ScopeId scope = Count(graph_.scopes_);
    graph_.scopes_.push_back({&proto, parent, owner});
    graph_.names_.emplace_back();
    if (owner != kNone) graph_.nodes_[static_cast<std::size_t>(owner)].bodies.push_back(scope);
    ONNXQUANT_RETURN_IF_ERROR(DefineInputs(scope, proto));
    for (const onnx::NodeProto& node : proto.node()) {
      const NodeId id = Count(graph_.nodes_);
      graph_.nodes_.push_back({&node, scope, {}, {}, {}});
      for (int i = 0; i < node.output_size(); ++i) {
        ValueId output = kNone;
        if (!node.output(i).empty()) {
          ONNXQUANT_ASSIGN_OR_RETURN(
              output, Define(scope, node.output(i), "output of " + graph_.Describe(id)));
          At(output).producer = id;
          At(output).output = i;
        }
        graph_.nodes_[static_cast<std::size_t>(id)].outputs.push_back(output);
      }
      ONNXQUANT_RETURN_IF_ERROR(AddBodies(id, node, scope, depth));
    }
    for (const onnx::ValueInfoProto& info : proto.value_info()) {
      const auto& names = graph_.names_[static_cast<std::size_t>(scope)];
      if (const auto it = names.find(info.name()); it != names.end()) {
        if (At(it->second).declared == nullptr) At(it->second).declared = &info;
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddBodies(NodeId id, const onnx::NodeProto& node, ScopeId scope, int depth) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) {
        ONNXQUANT_RETURN_IF_ERROR(AddScope(attribute.g(), scope, id, depth + 1));
      }
      for (const onnx::GraphProto& body : attribute.graphs()) {
        ONNXQUANT_RETURN_IF_ERROR(AddScope(body, scope, id, depth + 1));
      }
    }
    return absl::OkStatus();
  }

  absl::Status DefineInputs(ScopeId scope, const onnx::GraphProto& proto) {
    for (const onnx::ValueInfoProto& input : proto.input()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const ValueId id, Define(scope, input.name(), "graph input"));
      At(id).graph_input = true;
      At(id).declared = &input;
    }
    // An initializer of a graph input's name is that input's default, not a second definition.
    absl::flat_hash_set<std::string> seen;
    const auto define = [&](const std::string& name) -> absl::StatusOr<ValueId> {
      if (name.empty()) {
        return ModelError(origin_, ": an initializer has no name, so nothing can read it");
      }
      const auto& names = graph_.names_[static_cast<std::size_t>(scope)];
      const auto it = names.find(name);
      if (seen.insert(name).second && it != names.end()) return it->second;
      return Define(scope, name, "initializer");
    };
    for (const onnx::TensorProto& tensor : proto.initializer()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const ValueId id, define(tensor.name()));
      At(id).initializer = &tensor;
    }
    for (const onnx::SparseTensorProto& tensor : proto.sparse_initializer()) {
      ONNXQUANT_ASSIGN_OR_RETURN(const ValueId id, define(tensor.values().name()));
      At(id).sparse_initializer = &tensor;
    }
    return absl::OkStatus();
  }

  absl::Status ResolveReads() {
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      Node& node = graph_.nodes_[static_cast<std::size_t>(id)];
      for (int i = 0; i < node.proto->input_size(); ++i) {
        const std::string& name = node.proto->input(i);
        const ValueId value = name.empty() ? kNone : graph_.Find(node.scope, name);
        if (!name.empty() && value == kNone) {
          return ModelError(origin_, ": ", graph_.Describe(id), " reads '", name,
                            "', which nothing defines (no graph input, initializer or node output "
                            "has that name)");
        }
        node.inputs.push_back(value);
        if (value != kNone) At(value).uses.push_back({id, i});
      }
    }
    return absl::OkStatus();
  }

  absl::Status MarkOutputs(ScopeId scope) {
    for (const onnx::ValueInfoProto& output :
         graph_.scopes_[static_cast<std::size_t>(scope)].graph->output()) {
      const ValueId id = graph_.Find(scope, output.name());
      if (id == kNone) {
        return ModelError(origin_, ": graph output '", output.name(), "' is never computed");
      }
      if (At(id).scope == scope) At(id).graph_output = true;
      graph_.outputs_[static_cast<std::size_t>(scope)].push_back(id);
      if (At(id).declared == nullptr) At(id).declared = &output;
    }
    return absl::OkStatus();
  }

  // The ancestor of `node` (or itself) that stands in `scope`, or kNone.
  NodeId Lift(NodeId node, ScopeId scope) const {
    while (node != kNone && graph_.node(node).scope != scope) {
      node = graph_.scopes_[static_cast<std::size_t>(graph_.node(node).scope)].owner;
    }
    return node;
  }

  // Kahn's algorithm on each scope; a node depends on what its bodies capture. Ready nodes leave in
  // the file's order, so that a sorted model keeps its order.
  absl::Status SortAll() {
    std::vector<int> missing(graph_.nodes_.size(), 0);
    std::vector<std::vector<NodeId>> dependents(graph_.nodes_.size());
    for (const Value& value : graph_.values_) {
      if (value.producer == kNone) continue;
      for (const Use& use : value.uses) {
        const NodeId reader = Lift(use.node, value.scope);
        if (reader == kNone) continue;
        dependents[static_cast<std::size_t>(value.producer)].push_back(reader);
        ++missing[static_cast<std::size_t>(reader)];
      }
    }
    std::vector<std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>>> ready(
        graph_.scopes_.size());
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      if (missing[static_cast<std::size_t>(id)] == 0) ready[ScopeIndex(id)].push(id);
    }
    EmitScope(kMainScope, missing, dependents, ready);
    if (graph_.order_.size() == graph_.nodes_.size()) return absl::OkStatus();
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      if (missing[static_cast<std::size_t>(id)] > 0) {
        return ModelError(origin_, ": the graph has a cycle through ", graph_.Describe(id),
                          "; an ONNX graph must be acyclic");
      }
    }
    return InternalError(origin_, ": a subgraph was not reached");
  }

  std::size_t ScopeIndex(NodeId id) const {
    return static_cast<std::size_t>(graph_.node(id).scope);
  }

  template <typename Ready>
  void EmitScope(ScopeId scope, std::vector<int>& missing,
                 const std::vector<std::vector<NodeId>>& dependents, Ready& ready) {
    auto& queue = ready[static_cast<std::size_t>(scope)];
    while (!queue.empty()) {
      const NodeId id = queue.top();
      queue.pop();
      graph_.order_.push_back(id);
      graph_.scope_order_[static_cast<std::size_t>(scope)].push_back(id);
      for (const ScopeId body : graph_.node(id).bodies) EmitScope(body, missing, dependents, ready);
      for (const NodeId next : dependents[static_cast<std::size_t>(id)]) {
        if (--missing[static_cast<std::size_t>(next)] == 0) ready[ScopeIndex(next)].push(next);
      }
    }
  }

  std::string origin_;
  Graph graph_;
};

absl::StatusOr<Graph> Graph::Build(const onnx::ModelProto& model, const std::string& origin) {
  return GraphBuilder(model, origin).Build();
}

ValueId Graph::Find(ScopeId scope, const std::string& name) const {
  for (; scope != kNone; scope = scopes_[static_cast<std::size_t>(scope)].parent) {
    const auto& names = names_[static_cast<std::size_t>(scope)];
    if (const auto it = names.find(name); it != names.end()) return it->second;
  }
  return kNone;
}

NodeId Graph::ProducerOf(NodeId id, int input) const {
  const Node& n = node(id);
  if (input < 0 || input >= static_cast<int>(n.inputs.size())) return kNone;
  const ValueId v = n.inputs[static_cast<std::size_t>(input)];
  return v == kNone ? kNone : value(v).producer;
}

std::string Graph::OpName(NodeId id) const {
  const onnx::NodeProto& proto = *node(id).proto;
  return IsOnnxDomain(proto.domain()) ? proto.op_type()
                                      : absl::StrCat(proto.domain(), "::", proto.op_type());
}

std::string Graph::Describe(NodeId id) const {
  const onnx::NodeProto& proto = *node(id).proto;
  if (!proto.name().empty()) return absl::StrCat("node '", proto.name(), "' (", OpName(id), ")");
  return absl::StrCat("the unnamed ", OpName(id), " node that makes '",
                      proto.output_size() > 0 ? proto.output(0) : "nothing", "'");
}

}  // namespace onnxquant
