#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"
#include "lib/analysis/weight_uses.h"

namespace onnxquant {
namespace {

constexpr int kMostSteps = 12;  // from a router's product to the choice

// The product whose results a TopK chooses from, through nothing but what turns them into shares.
NodeId ScoresOf(const RoleFacts& facts, NodeId choice) {
  const Graph& graph = facts.graph;
  NodeId node = graph.ProducerOf(choice, 0);
  for (int steps = 0; steps < kMostSteps && node != kNone; ++steps) {
    if (facts.weights.matmul[node]) return node;
    if (!IsAnyOf(graph, node,
                 {"Softmax", "Sigmoid", "Cast", "Reshape", "Add", "Identity", "Mul", "Div"})) {
      return kNone;
    }
    const bool second = ConstantBehind(graph, InputOf(graph, node, 0)) != kNone;
    node = graph.ProducerOf(node, second ? 1 : 0);
  }
  return kNone;
}

// A product with the weights of all experts, or with those of one that has been gathered.
bool MultipliesExperts(const Graph& graph, NodeId node) {
  if (!IsAnyOf(graph, node, {"MatMul", "FusedMatMul", "Einsum"})) return false;
  for (const int input : {0, 1}) {
    ValueId value = InputOf(graph, node, input);
    const NodeId gather = value == kNone ? kNone : graph.value(value).producer;
    if (IsAnyOf(graph, gather, {"Gather", "Slice", "Squeeze", "Split"}))
      value = InputOf(graph, gather, 0);
    const auto dims = ConstantShape(graph, ConstantBehind(graph, value));
    if (dims && dims->size() == 3) return true;
  }
  return false;
}

// All products between a choice and the sum that takes its outcome into the stream.
class ExpertFinder {
 public:
  ExpertFinder(const RoleFacts& facts, Roles& roles)
      : facts_(facts),
        graph_(facts.graph),
        roles_(roles),
        chosen_(facts.graph),
        visited_(facts.graph) {}

  void LookFrom(NodeId choice, NodeId router) {
    std::vector<NodeId> weighed;
    chosen_.Clear();
    for (const int output : {0, 1}) Reach(OutputOf(graph_, choice, output), weighed);
    const std::string why = absl::StrCat("what ", graph_.Describe(choice), " chooses");
    for (const NodeId node : reached_) Take(node, why);
    for (const NodeId product : weighed) {
      for (const ValueId factor : graph_.node(product).inputs) TakeBehind(factor, router, why);
    }
  }

 private:
  // Along the data flow to the residual sum.
  void Reach(ValueId from, std::vector<NodeId>& weighed) {
    if (from == kNone) return;
    WalkForward(graph_, from, chosen_, [&](NodeId node) {
      const NodeRole& role = roles_.nodes[node];
      if (role.Is(Role::kResidual) || IsAnyOf(graph_, node, {"Shape"})) return false;
      reached_.push_back(node);
      if (IsAnyOf(graph_, node, {"Mul", "MatMul", "Einsum"})) weighed.push_back(node);
      return true;
    });
  }

  // Against it from what a share weighs, to the norm that the experts read.
  void TakeBehind(ValueId value, NodeId router, const std::string& why) {
    if (value == kNone) return;
    WalkBack(graph_, value, visited_, [&](NodeId node) {
      const NodeRole& role = roles_.nodes[node];
      if (node == router || role.Is(Role::kNorm) || role.Is(Role::kResidual) ||
          IsAnyOf(graph_, node, {"TopK", "Shape"})) {
        return false;
      }
      Take(node, why);
      return true;
    });
  }

  void Take(NodeId node, const std::string& why) {
    if (!facts_.weights.matmul[node] && !MultipliesExperts(graph_, node)) return;
    if (roles_.nodes[node].role == Role::kExpert || roles_.nodes[node].role == Role::kRouter)
      return;
    Refine(node, Role::kExpert, absl::StrCat("is part of ", why), roles_);
  }

  const RoleFacts& facts_;
  const Graph& graph_;
  Roles& roles_;
  VisitedNodes chosen_;
  VisitedNodes visited_;
  std::vector<NodeId> reached_;
};

}  // namespace

void FindExperts(const RoleFacts& facts, Roles& roles) {
  const Graph& graph = facts.graph;
  NearestProjections nearest(facts, roles);
  for (const NodeId id : graph.order()) {
    if (IsAnyOf(graph, id, {"MoE", "QMoE"})) {
      Assign(id, Role::kExpert, absl::StrCat("the operator is ", graph.OpName(id)), roles);
      const std::vector<NodeId> routers = nearest.Behind(InputOf(graph, id, 1));
      if (routers.size() != 1) continue;
      Assign(routers.front(), Role::kRouter,
             absl::StrCat("makes the shares of ", graph.Describe(id)), roles);
    } else if (IsAnyOf(graph, id, {"TopK"})) {
      const NodeId router = ScoresOf(facts, id);
      const ValueId shares = OutputOf(graph, id);
      // A choice of places alone, as detectors make it, weighs nothing.
      if (router == kNone || shares == kNone || graph.value(shares).uses.empty()) continue;
      if (roles.nodes[router].role != Role::kNone) continue;
      Assign(router, Role::kRouter,
             absl::StrCat(graph.Describe(id), " chooses the largest of its results"), roles);
      ExpertFinder(facts, roles).LookFrom(id, router);
    }
  }
}

}  // namespace onnxquant
