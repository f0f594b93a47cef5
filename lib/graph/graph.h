// An index over a model's nodes and values, subgraphs included. Knows names and edges, no numbers.
//
// The index looks into the ModelProto, names included, which must outlive it and stay unchanged. A
// million nodes are indexed in about 170 MB: what is of any number for a node or a value lies in
// one array for all of them.
#ifndef ONNXQUANT_LIB_GRAPH_GRAPH_H_
#define ONNXQUANT_LIB_GRAPH_GRAPH_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/id_vector.h"
#include "lib/schema/domain.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

using NodeId = int;
using ValueId = int;
using ScopeId = int;
inline constexpr int kNone = -1;
inline constexpr ScopeId kMainScope = 0;

// What a node reads or makes, in the graph's own arrays.
using ValueIds = absl::Span<const ValueId>;

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
  const std::string& name;  // in the proto of what defines it
  ScopeId scope = kNone;
  NodeId producer = kNone;  // kNone: graph input or initializer
  int output = 0;           // which output of the producer
  const onnx::TensorProto* initializer = nullptr;
  const onnx::SparseTensorProto* sparse_initializer = nullptr;
  const onnx::ValueInfoProto* declared = nullptr;  // as graph input, output or value_info, if any
  bool graph_input = false;
  bool graph_output = false;
  absl::Span<const Use> uses = {};
};

// An operator that nodes of a graph have. There are few, so that their texts stay near at hand
// where all nodes are asked for them.
struct Operator {
  std::string name;        // "Op", or "domain::Op" outside ONNX's own domain
  std::string type;        // "Op"
  bool onnx = false;       // of ONNX's own domain
  bool microsoft = false;  // of com.microsoft
};

struct Node {
  const onnx::NodeProto* proto = nullptr;
  ScopeId scope = kNone;
  int op = 0;        // among the graph's operators
  ValueIds inputs;   // kNone for an omitted optional input
  ValueIds outputs;  // kNone for an omitted optional output
  absl::Span<const ScopeId> bodies;
};

class Graph {
 public:
  // Checks what the rest relies on, and refuses with place and object: values that are defined
  // twice or read but never defined, two nodes of one name, cycles. Nodes out of order are accepted
  // (ONNX Runtime accepts them too); order() is topological. `origin` names the model in messages.
  static absl::StatusOr<Graph> Build(const onnx::ModelProto& model, const std::string& origin);

  // Nodes and values look into the graph's arrays, which a copy would not bring along.
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  const onnx::ModelProto& model() const { return *model_; }
  const IdVector<Node>& nodes() const { return nodes_; }
  const IdVector<Value>& values() const { return values_; }
  const IdVector<Scope>& scopes() const { return scopes_; }
  const Node& node(NodeId id) const { return nodes_[id]; }
  const Value& value(ValueId id) const { return values_[id]; }
  const Scope& scope(ScopeId id) const { return scopes_[id]; }

  // The values that the graph of a scope gives out, in order.
  const std::vector<ValueId>& outputs(ScopeId scope) const { return outputs_[scope]; }

  // Every node, producers before consumers; a node stands after all nodes of its bodies' captures
  // and before the nodes of its bodies.
  const std::vector<NodeId>& order() const { return order_; }

  // The nodes of one scope, producers before consumers.
  const std::vector<NodeId>& order(ScopeId scope) const { return scope_order_[scope]; }

  // The value that `name` means when it is read in `scope` (looking outwards); kNone if none.
  ValueId Find(ScopeId scope, absl::string_view name) const;

  // The node that produces input `i` of `node`, or kNone.
  NodeId ProducerOf(NodeId node, int input) const;

  // "node 'name' (Op)" or, without a name, "the unnamed Op node that makes 'value'".
  std::string Describe(NodeId node) const;

  const Operator& OperatorOf(NodeId node) const {
    return operators_[static_cast<std::size_t>(nodes_[node].op)];
  }
  // "Op", or "domain::Op" outside ONNX's own domain.
  const std::string& OpName(NodeId node) const { return OperatorOf(node).name; }

 private:
  friend class GraphBuilder;

  // Values by their names, which stand in `values` alone.
  struct NameHash {
    using is_transparent = void;
    const Value* values = nullptr;
    std::size_t operator()(ValueId id) const { return (*this)(values[id].name); }
    std::size_t operator()(absl::string_view name) const {
      return absl::Hash<absl::string_view>{}(name);
    }
  };
  struct SameName {
    using is_transparent = void;
    const Value* values = nullptr;
    bool operator()(ValueId a, ValueId b) const { return values[a].name == values[b].name; }
    bool operator()(ValueId a, absl::string_view b) const { return values[a].name == b; }
  };
  using Names = absl::flat_hash_set<ValueId, NameHash, SameName>;

  Graph() = default;

  const onnx::ModelProto* model_ = nullptr;
  IdVector<Node> nodes_;
  std::vector<Operator> operators_;
  IdVector<Value> values_;
  IdVector<Scope> scopes_;
  std::vector<NodeId> order_;
  IdVector<std::vector<NodeId>> scope_order_;
  IdVector<std::vector<ValueId>> outputs_;  // by scope
  IdVector<Names> names_;                   // by scope
  // What the nodes' and values' spans look into.
  std::vector<ValueId> inputs_of_nodes_;
  std::vector<ValueId> outputs_of_nodes_;
  std::vector<ScopeId> bodies_of_nodes_;
  std::vector<Use> uses_of_values_;
};

// The attribute of that name, or null.
const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, const std::string& name);
std::int64_t IntAttribute(const onnx::NodeProto& node, const std::string& name,
                          std::int64_t fallback);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRAPH_GRAPH_H_
