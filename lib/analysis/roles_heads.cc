#include <string>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/small_constants.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

constexpr int kMostSteps = 12;  // from a pooled position to the product that reads it

// Whether the node takes one position of a batch of streams, or a number made of all of them.
bool Pools(const Graph& graph, NodeId node) {
  if (IsAnyOf(graph, node, {"GatherND", "GlobalAveragePool"})) return true;
  if (IsAnyOf(graph, node, {"Gather"})) {
    return IntAttribute(*graph.node(node).proto, "axis", 0) == 1 &&
           SmallScalar(graph, InputOf(graph, node, 1)).has_value();
  }
  if (!IsAnyOf(graph, node, {"ReduceMean", "ReduceMax", "ReduceSum"})) return false;
  const onnx::AttributeProto* axes = FindAttribute(*graph.node(node).proto, "axes");
  if (axes != nullptr) return axes->ints_size() == 1 && axes->ints(0) == 1;
  return SmallScalar(graph, InputOf(graph, node, 1)) == 1.0;
}

// The node that takes one position of the stream, or a mean over them, before the product; kNone
// where it reads every position.
NodeId PoolingBefore(const RoleFacts& facts, NodeId product, const Roles& roles) {
  const Graph& graph = facts.graph;
  NodeId node = graph.ProducerOf(product, 0);
  for (int steps = 0; steps < kMostSteps && node != kNone; ++steps) {
    if (facts.weights.holds[node] || roles.nodes[node].Is(Role::kResidual)) return kNone;
    if (Pools(graph, node)) return roles.nodes[node].role == Role::kNone ? node : kNone;
    node = graph.ProducerOf(node, 0);
  }
  return kNone;
}

// Whether a bias is added to what the product makes.
bool HasBias(const Graph& graph, NodeId product) {
  if (IsAnyOf(graph, product, {"Gemm", "FusedGemm"})) return InputOf(graph, product, 2) != kNone;
  const ValueId made = OutputOf(graph, product);
  if (made == kNone || graph.value(made).uses.size() != 1) return false;
  const Use use = graph.value(made).uses.front();
  return IsAnyOf(graph, use.node, {"Add"}) &&
         ConstantBehind(graph, InputOf(graph, use.node, 1 - use.input)) != kNone;
}

// Whether an activation or the division by a length comes before anything else with weights.
bool IsSquashed(const RoleFacts& facts, NodeId product, VisitedNodes& visited) {
  const Graph& graph = facts.graph;
  bool found = false;
  WalkForward(
      graph, OutputOf(graph, product), visited,
      [&](NodeId node) {
        found = found || IsAnyOf(graph, node,
                                 {"Tanh", "Gelu", "Relu", "ReduceL2", "ReduceSum",
                                  "ReduceSumSquare", "LpNormalization"});
        return !found && !facts.weights.holds[node];
      },
      kMostSteps);
  return found;
}

}  // namespace

void FindHeads(const RoleFacts& facts, const std::vector<Attention>& attentions, Roles& roles) {
  const Graph& graph = facts.graph;
  if (attentions.empty()) return;  // it is of a transformer that these words speak
  VisitedNodes visited(graph);
  for (const NodeId id : graph.order()) {
    if (!facts.weights.matmul[id] || roles.nodes[id].role != Role::kNone) continue;
    const NodeId pooling = PoolingBefore(facts, id, roles);
    const ValueId output = OutputAfter(graph, id, visited);
    if (pooling != kNone && IsSquashed(facts, id, visited)) {
      Assign(id, Role::kPooler, absl::StrCat("reads what ", graph.Describe(pooling), " takes"),
             roles);
    } else if (output != kNone && (pooling == kNone || HasBias(graph, id))) {
      Assign(id, Role::kClassifier,
             absl::StrCat("makes the graph output '", graph.value(output).name,
                          "', which is no logits of tokens"),
             roles);
    } else if (output != kNone) {
      roles.ambiguous.push_back(
          {id, absl::StrCat("classifier or pooler: it makes the graph output '",
                            graph.value(output).name,
                            "' of one position, without the bias that classifiers have")});
    }
  }
}

}  // namespace onnxquant
