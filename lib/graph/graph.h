// An index over a model's nodes and values, subgraphs included. Knows names and edges, no numbers.
//
// The index holds pointers into the ModelProto, which must outlive it and stay unchanged.
#ifndef ONNXQUANT_LIB_GRAPH_GRAPH_H_
#define ONNXQUANT_LIB_GRAPH_GRAPH_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/schema/domain.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

using NodeId = int;
using ValueId = int;
using ScopeId = int;
inline constexpr int kNone = -1;
inline constexpr ScopeId kMainScope = 0;

// What a node reads or makes: few, so that they stand in the node itself.
using ValueIds = absl::InlinedVector<ValueId, 4>;

// A graph: the main one (scope 0) or the body of an If, Loop, Scan ….
struct Scope {
  const onnx::GraphProto* graph = nullptr;
  ScopeId parent = kNone;
  NodeId owner = kNone;  // the node that holds the body; kNone for the main graph
};

// One input slot that reads a value. A node in a subgraph that reads an outer value counts too.
struct Use {
  NodeId node = kNone;
  int input = 0;
  bool operator==(const Use&) const = default;
};

struct Value {
  std::string name;
  ScopeId scope = kNone;
  NodeId producer = kNone;  // kNone: graph input or initializer
  int output = 0;           // which output of the producer
  const onnx::TensorProto* initializer = nullptr;
  const onnx::SparseTensorProto* sparse_initializer = nullptr;
  const onnx::ValueInfoProto* declared = nullptr;  // as graph input, output or value_info, if any
  bool graph_input = false;
  bool graph_output = false;
  absl::InlinedVector<Use, 2> uses;
};

struct Node {
  const onnx::NodeProto* proto = nullptr;
  ScopeId scope = kNone;
  ValueIds inputs;   // kNone for an omitted optional input
  ValueIds outputs;  // kNone for an omitted optional output
  std::vector<ScopeId> bodies;
};

class Graph {
 public:
  // Checks what the rest relies on, and refuses with place and object: values that are defined
  // twice or read but never defined, two nodes of one name, cycles. Nodes out of order are accepted
  // (ONNX Runtime accepts them too); order() is topological. `origin` names the model in messages.
  static absl::StatusOr<Graph> Build(const onnx::ModelProto& model, const std::string& origin);

  const onnx::ModelProto& model() const { return *model_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Scope>& scopes() const { return scopes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  const Scope& scope(ScopeId id) const { return scopes_[static_cast<std::size_t>(id)]; }

  // The values that the graph of a scope gives out, in order.
  const std::vector<ValueId>& outputs(ScopeId scope) const {
    return outputs_[static_cast<std::size_t>(scope)];
  }

  // Every node, producers before consumers; a node stands after all nodes of its bodies' captures
  // and before the nodes of its bodies.
  const std::vector<NodeId>& order() const { return order_; }

  // The nodes of one scope, producers before consumers.
  const std::vector<NodeId>& order(ScopeId scope) const {
    return scope_order_[static_cast<std::size_t>(scope)];
  }

  // The value that `name` means when it is read in `scope` (looking outwards); kNone if none.
  ValueId Find(ScopeId scope, const std::string& name) const;

  // The node that produces input `i` of `node`, or kNone.
  NodeId ProducerOf(NodeId node, int input) const;

  // "node 'name' (Op)" or, without a name, "the unnamed Op node that makes 'value'".
  std::string Describe(NodeId node) const;

  // "Op", or "domain::Op" outside ONNX's own domain.
  std::string OpName(NodeId node) const;

 private:
  friend class GraphBuilder;

  const onnx::ModelProto* model_ = nullptr;
  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::vector<Scope> scopes_;
  std::vector<NodeId> order_;
  std::vector<std::vector<NodeId>> scope_order_;
  std::vector<std::vector<ValueId>> outputs_;                           // by scope
  std::vector<absl::flat_hash_map<absl::string_view, ValueId>> names_;  // by scope; of the proto
};

// The attribute of that name, or null.
const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, const std::string& name);
std::int64_t IntAttribute(const onnx::NodeProto& node, const std::string& name,
                          std::int64_t fallback);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRAPH_GRAPH_H_
