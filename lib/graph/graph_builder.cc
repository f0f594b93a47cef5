#include <algorithm>
#include <cstddef>
#include <functional>
#include <queue>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/graph/graph.h"

namespace onnxquant {

class GraphBuilder {
 public:
  GraphBuilder(const onnx::ModelProto& model, std::string origin) : origin_(std::move(origin)) {
    graph_.model_ = &model;
  }

  absl::StatusOr<Graph> Build() {
    Reserve();
    ONNXQUANT_RETURN_IF_ERROR(AddScope(graph_.model_->graph(), kNone, kNone, 0));
    ListBodies();
    ONNXQUANT_RETURN_IF_ERROR(ResolveReads());
    ListUses();
    graph_.outputs_.resize(graph_.scopes_.size());
    graph_.scope_order_.resize(graph_.scopes_.size());
    for (ScopeId scope = 0; scope < Count(graph_.scopes_); ++scope) {
      ONNXQUANT_RETURN_IF_ERROR(MarkOutputs(scope));
    }
    ONNXQUANT_RETURN_IF_ERROR(SortAll());
    return std::move(graph_);
  }

 private:
  // How much there is in a graph, its bodies included, at most.
  struct Sizes {
    std::size_t nodes = 0;
    std::size_t values = 0;
    std::size_t inputs = 0;
    std::size_t outputs = 0;
  };

  template <typename T>
  static int Count(const std::vector<T>& items) {
    return static_cast<int>(items.size());
  }

  static std::size_t ValuesIn(const onnx::GraphProto& proto) {
    return static_cast<std::size_t>(proto.input_size()) +
           static_cast<std::size_t>(proto.initializer_size()) +
           static_cast<std::size_t>(proto.sparse_initializer_size());
  }

  static void AddSizes(const onnx::GraphProto& proto, int depth, Sizes& sizes) {
    if (depth > limits::kNestedBodies) return;
    sizes.values += ValuesIn(proto);
    sizes.nodes += static_cast<std::size_t>(proto.node_size());
    for (const onnx::NodeProto& node : proto.node()) {
      sizes.inputs += static_cast<std::size_t>(node.input_size());
      sizes.outputs += static_cast<std::size_t>(node.output_size());
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) AddSizes(attribute.g(), depth + 1, sizes);
        for (const onnx::GraphProto& body : attribute.graphs()) AddSizes(body, depth + 1, sizes);
      }
    }
  }

  // The arrays never move from now on: spans and names look into them.
  void Reserve() {
    Sizes sizes;
    AddSizes(graph_.model_->graph(), 0, sizes);
    graph_.nodes_.reserve(sizes.nodes);
    graph_.order_.reserve(sizes.nodes);
    graph_.values_.reserve(sizes.values + sizes.outputs);
    graph_.inputs_of_nodes_.reserve(sizes.inputs);
    graph_.outputs_of_nodes_.reserve(sizes.outputs);
  }

  // `what` says what defines the value, where that is to be said.
  absl::StatusOr<ValueId> Define(ScopeId scope, const std::string& name,
                                 absl::FunctionRef<std::string()> what) {
    const ValueId id = Count(graph_.values_);
    graph_.values_.push_back({.name = name, .scope = scope});
    if (graph_.names_[scope].insert(id).second) return id;
    return ModelError(origin_, ": value '", name, "' is defined twice, the second time as ", what(),
                      "; ONNX wants each value defined once: export the model again");
  }

  Value& At(ValueId id) { return graph_.values_[id]; }

  absl::Status AddScope(const onnx::GraphProto& proto, ScopeId parent, NodeId owner, int depth) {
    if (depth > limits::kNestedBodies) {
      return ModelError(origin_, ": ", owner == kNone ? "a body" : graph_.Describe(owner),
                        " nests bodies more than ", limits::kNestedBodies,
                        " deep; export the model again with fewer subgraphs inside one another");
    }
    const ScopeId scope = Count(graph_.scopes_);
    graph_.scopes_.push_back({&proto, parent, owner});
    const Value* values = graph_.values_.data();
    graph_.names_.emplace_back(ValuesIn(proto) + static_cast<std::size_t>(proto.node_size()),
                               Graph::NameHash{values}, Graph::SameName{values});
    ONNXQUANT_RETURN_IF_ERROR(DefineInputs(scope, proto));
    for (const onnx::NodeProto& node : proto.node()) {
      ONNXQUANT_RETURN_IF_ERROR(AddNode(node, scope, depth));
    }
    for (const onnx::ValueInfoProto& info : proto.value_info()) {
      const Graph::Names& names = graph_.names_[scope];
      if (const auto it = names.find(info.name()); it != names.end()) {
        if (At(*it).declared == nullptr) At(*it).declared = &info;
      }
    }
    return absl::OkStatus();
  }

  // Its place among the graph's operators.
  int OperatorOf(const onnx::NodeProto& node) {
    const bool is_onnx = IsOnnxDomain(node.domain());
    const absl::string_view domain = is_onnx ? absl::string_view() : node.domain();
    const auto [found, added] = operators_.try_emplace(
        std::pair(domain, absl::string_view(node.op_type())), Count(graph_.operators_));
    if (added) {
      const std::string& type = node.op_type();
      graph_.operators_.push_back({.name = is_onnx ? type : absl::StrCat(domain, "::", type),
                                   .type = type,
                                   .onnx = is_onnx,
                                   .microsoft = domain == "com.microsoft"});
    }
    return found->second;
  }

  absl::Status AddNode(const onnx::NodeProto& node, ScopeId scope, int depth) {
    const NodeId id = Count(graph_.nodes_);
    graph_.nodes_.push_back({&node, scope, OperatorOf(node), {}, {}, {}});
    const std::size_t first = graph_.outputs_of_nodes_.size();
    for (int i = 0; i < node.output_size(); ++i) {
      ValueId output = kNone;
      if (!node.output(i).empty()) {
        ONNXQUANT_ASSIGN_OR_RETURN(output, Define(scope, node.output(i), [&] {
                                     return "output of " + graph_.Describe(id);
                                   }));
        At(output).producer = id;
        At(output).output = i;
      }
      graph_.outputs_of_nodes_.push_back(output);
    }
    graph_.nodes_[id].outputs = ValueIds(graph_.outputs_of_nodes_).subspan(first);
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
      ONNXQUANT_ASSIGN_OR_RETURN(
          const ValueId id, Define(scope, input.name(), [] { return std::string("graph input"); }));
      At(id).graph_input = true;
      At(id).declared = &input;
    }
    // An initializer of a graph input's name is that input's default, not a second definition.
    absl::flat_hash_set<std::string> seen;
    const auto define = [&](const std::string& name) -> absl::StatusOr<ValueId> {
      if (name.empty()) {
        return ModelError(origin_, ": an initializer has no name, so nothing can read it");
      }
      const Graph::Names& names = graph_.names_[scope];
      const auto it = names.find(name);
      if (seen.insert(name).second && it != names.end()) return *it;
      return Define(scope, name, [] { return std::string("initializer"); });
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

  // Each node's bodies, in their order.
  void ListBodies() {
    std::vector<ScopeId>& bodies = graph_.bodies_of_nodes_;
    for (ScopeId scope = kMainScope + 1; scope < Count(graph_.scopes_); ++scope) {
      bodies.push_back(scope);
    }
    const auto owner = [this](ScopeId scope) { return graph_.scopes_[scope].owner; };
    std::stable_sort(bodies.begin(), bodies.end(),
                     [&owner](ScopeId a, ScopeId b) { return owner(a) < owner(b); });
    for (std::size_t first = 0, end = 0; first < bodies.size(); first = end) {
      const NodeId node = owner(bodies[first]);
      while (end < bodies.size() && owner(bodies[end]) == node) ++end;
      graph_.nodes_[node].bodies = absl::MakeConstSpan(bodies).subspan(first, end - first);
    }
  }

  absl::Status ResolveReads() {
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      Node& node = graph_.nodes_[id];
      const std::size_t first = graph_.inputs_of_nodes_.size();
      for (const std::string& name : node.proto->input()) {
        const ValueId value = name.empty() ? kNone : graph_.Find(node.scope, name);
        if (!name.empty() && value == kNone) {
          return ModelError(origin_, ": ", graph_.Describe(id), " reads '", name,
                            "', which nothing defines (no graph input, initializer or node output "
                            "has that name)");
        }
        graph_.inputs_of_nodes_.push_back(value);
      }
      node.inputs = ValueIds(graph_.inputs_of_nodes_).subspan(first);
    }
    return absl::OkStatus();
  }

  // Each value's uses, by node and then by input.
  void ListUses() {
    IdVector<std::size_t> ends(graph_.values_.size(), 0);
    for (const ValueId value : graph_.inputs_of_nodes_) {
      if (value != kNone) ++ends[value];
    }
    std::size_t end = 0;
    for (std::size_t& count : ends) {
      end += count;
      count = end - count;  // where the value's uses begin, until they are there
    }
    graph_.uses_of_values_.resize(end);
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      const ValueIds inputs = graph_.node(id).inputs;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i] == kNone) continue;
        graph_.uses_of_values_[ends[inputs[i]]++] = {id, static_cast<int>(i)};
      }
    }
    const absl::Span<const Use> all = graph_.uses_of_values_;
    std::size_t first = 0;
    for (ValueId id = 0; id < Count(graph_.values_); ++id) {
      At(id).uses = all.subspan(first, ends[id] - first);
      first = ends[id];
    }
  }

  absl::Status MarkOutputs(ScopeId scope) {
    for (const onnx::ValueInfoProto& output : graph_.scopes_[scope].graph->output()) {
      const ValueId id = graph_.Find(scope, output.name());
      if (id == kNone) {
        return ModelError(origin_, ": graph output '", output.name(), "' is never computed");
      }
      if (At(id).scope == scope) At(id).graph_output = true;
      graph_.outputs_[scope].push_back(id);
      if (At(id).declared == nullptr) At(id).declared = &output;
    }
    return absl::OkStatus();
  }

  // The ancestor of `node` (or itself) that stands in `scope`, or kNone.
  NodeId Lift(NodeId node, ScopeId scope) const {
    while (node != kNone && graph_.node(node).scope != scope) {
      node = graph_.scope(graph_.node(node).scope).owner;
    }
    return node;
  }

  // Calls `visit` with each node that waits for `node`, once for each slot that reads what it
  // makes: its readers, or the nodes beside it whose bodies hold them.
  template <typename Visit>
  void ForEachDependent(NodeId node, const Visit& visit) const {
    for (const ValueId output : graph_.node(node).outputs) {
      if (output == kNone) continue;
      const Value& value = graph_.value(output);
      for (const Use& use : value.uses) {
        const NodeId reader = Lift(use.node, value.scope);
        if (reader != kNone) visit(reader);
      }
    }
  }

  using Ready = IdVector<std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>>>;

  // Kahn's algorithm on each scope; a node depends on what its bodies capture. Ready nodes leave in
  // the file's order, so that a sorted model keeps its order.
  absl::Status SortAll() {
    IdVector<int> missing(graph_.nodes_.size(), 0);
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      ForEachDependent(id, [&missing](NodeId reader) { ++missing[reader]; });
    }
    Ready ready(graph_.scopes_.size());
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      if (missing[id] == 0) ready[graph_.node(id).scope].push(id);
    }
    EmitScope(kMainScope, missing, ready);
    if (graph_.order_.size() == graph_.nodes_.size()) return absl::OkStatus();
    for (NodeId id = 0; id < Count(graph_.nodes_); ++id) {
      if (missing[id] > 0) {
        return ModelError(origin_, ": the graph has a cycle through ", graph_.Describe(id),
                          "; an ONNX graph must be acyclic");
      }
    }
    return InternalError(origin_, ": a subgraph was not reached");
  }

  void EmitScope(ScopeId scope, IdVector<int>& missing, Ready& ready) {
    auto& queue = ready[scope];
    while (!queue.empty()) {
      const NodeId id = queue.top();
      queue.pop();
      graph_.order_.push_back(id);
      graph_.scope_order_[scope].push_back(id);
      for (const ScopeId body : graph_.node(id).bodies) EmitScope(body, missing, ready);
      ForEachDependent(id, [&](NodeId next) {
        if (--missing[next] == 0) ready[graph_.node(next).scope].push(next);
      });
    }
  }

  std::string origin_;
  Graph graph_;
  absl::flat_hash_map<std::pair<absl::string_view, absl::string_view>, int> operators_;
};

absl::StatusOr<Graph> Graph::Build(const onnx::ModelProto& model, const std::string& origin) {
  return GraphBuilder(model, origin).Build();
}

}  // namespace onnxquant
