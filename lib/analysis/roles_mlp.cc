#include <string>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

// What the search for MLPs reads, and what it remembers from one to the next.
struct MlpSearch {
  const RoleFacts& facts;
  const Roles& roles;
  NearestProjections nearest;
  VisitedNodes visited;
};

// Whether the projection's output joins the stream: a residual Add, met before any other weights.
bool EndsInResidual(MlpSearch& search, NodeId matmul) {
  const Graph& graph = search.facts.graph;
  bool residual = false;
  WalkForward(graph, OutputOf(graph, matmul), search.visited, [&](NodeId node) {
    const NodeRole& role = search.roles.nodes[node];
    if (role.Is(Role::kResidual)) {
      residual = true;
      return false;
    }
    return role.Is(Role::kNorm) || IsAnyOf(graph, node,
                                           {"Add", "Mul", "Div", "Cast", "Reshape", "Identity",
                                            "Dropout", "Squeeze", "Unsqueeze", "Transpose"});
  });
  return residual;
}

bool HasActivation(MlpSearch& search, ValueId value) {
  const Graph& graph = search.facts.graph;
  bool found = false;
  WalkBack(graph, value, search.visited, [&](NodeId node) {
    if (search.facts.weights.holds[node] || search.roles.nodes[node].role == Role::kNorm) {
      return false;
    }
    found = found ||
            IsAnyOf(graph, node,
                    {"Gelu", "FastGelu", "QuickGelu", "BiasGelu", "Sigmoid", "Tanh", "Erf", "Relu",
                     "Elu", "HardSwish", "HardSigmoid", "Swish", "Softplus", "LeakyRelu", "Mish"});
    return true;
  });
  return found;
}

// The last Mul of two activations before a value.
NodeId ProductBefore(MlpSearch& search, ValueId value) {
  const Graph& graph = search.facts.graph;
  const auto constant = [&graph](NodeId node, int input) {
    return ConstantBehind(graph, InputOf(graph, node, input)) != kNone;
  };
  NodeId product = kNone;
  WalkBack(graph, value, search.visited, [&](NodeId node) {
    if (product != kNone || search.facts.weights.holds[node]) return false;
    if (IsAnyOf(graph, node, {"Mul"}) && !constant(node, 0) && !constant(node, 1)) product = node;
    return product == kNone;
  });
  return product;
}

// Whether both factors are parts of what one projection makes, and not the same part.
bool IsSplit(MlpSearch& search, NodeId product, NodeId projection) {
  const Graph& graph = search.facts.graph;
  ValueId parts[2] = {kNone, kNone};
  for (const int input : {0, 1}) {
    WalkBack(graph, InputOf(graph, product, input), search.visited, [&](NodeId node) {
      const NodeRole& role = search.roles.nodes[node];
      if (node == projection || search.facts.weights.holds[node] || role.Is(Role::kNorm) ||
          role.Is(Role::kResidual)) {
        return false;
      }
      if (IsAnyOf(graph, graph.ProducerOf(node, 0), {"Shape"})) return false;
      if (!IsAnyOf(graph, node, {"Split", "Slice", "Gather"})) return true;
      if (parts[input] == kNone) parts[input] = OutputOf(graph, node);
      return false;
    });
  }
  return parts[0] != kNone && parts[1] != kNone;
}

// Mul(activation(gate), up), on either side.
void SplitGated(MlpSearch& search, NodeId mul, const std::string& down, Roles& roles) {
  const Graph& graph = search.facts.graph;
  const bool first_is_gate = HasActivation(search, InputOf(graph, mul, 0));
  const ValueId gate = InputOf(graph, mul, first_is_gate ? 0 : 1);
  const ValueId up = InputOf(graph, mul, first_is_gate ? 1 : 0);
  for (const NodeId id : search.nearest.Behind(gate)) {
    Assign(id, Role::kGateProj, absl::StrCat("goes through the activation before ", down), roles);
  }
  for (const NodeId id : search.nearest.Behind(up)) {
    Assign(id, Role::kUpProj, absl::StrCat("is multiplied by the gate before ", down), roles);
  }
}

}  // namespace

void FindMlps(const RoleFacts& facts, Roles& roles) {
  const Graph& graph = facts.graph;
  MlpSearch search{facts, roles, NearestProjections(facts, roles), VisitedNodes(graph)};
  for (const NodeId id : graph.order()) {
    if (!facts.weights.matmul[id] || roles.nodes[id].role != Role::kNone) continue;
    if (!EndsInResidual(search, id)) continue;
    const ValueId inner = InputOf(graph, id, 0);
    const std::vector<NodeId> makers = search.nearest.Behind(inner);
    if (makers.empty() || makers.size() > 2 || !HasActivation(search, inner)) continue;
    const std::string name = graph.Describe(id);
    Assign(id, Role::kDownProj, "leads from an activation back to a residual Add", roles);
    const NodeId product = ProductBefore(search, inner);
    if (makers.size() == 2 && product != kNone) {
      SplitGated(search, product, name, roles);
    } else if (product != kNone && IsSplit(search, product, makers[0])) {
      Assign(makers[0], Role::kGateUpProj, absl::StrCat("is split into gate and up before ", name),
             roles);
      if (roles.nodes[makers[0]].role == Role::kGateUpProj) {
        roles.nodes[makers[0]].also = Role::kUpProj;
      }
    } else if (makers.size() == 1) {
      Assign(makers[0], Role::kUpProj, absl::StrCat("goes through an activation into ", name),
             roles);
    }
  }
}

}  // namespace onnxquant
