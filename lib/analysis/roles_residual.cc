#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

// The place in the order of what makes the value; -1 for what nothing makes.
int PlaceOf(const RoleFacts& facts, ValueId value) {
  const NodeId producer = facts.graph.value(value).producer;
  return producer == kNone ? -1 : facts.place[producer];
}

// What one search back from a value has seen: without weights on the way, and past weights.
struct Visited {
  VisitedNodes plain;
  VisitedNodes weighed;
};

// Whether `later` is computed from `earlier` along a path that passes weights. The search goes back
// from `later` and never before `earlier`, so that it stays within one branch of a sane model.
bool DependsThroughWeights(const RoleFacts& facts, ValueId later, ValueId earlier,
                           Visited& visited) {
  const Graph& graph = facts.graph;
  const int first = PlaceOf(facts, earlier);
  std::vector<std::pair<ValueId, bool>> open = {{later, false}};
  visited.plain.Clear();
  visited.weighed.Clear();
  std::size_t edges = 0;
  while (!open.empty() && visited.plain.count() + visited.weighed.count() < kMostVisited) {
    const auto [value, weighed] = open.back();
    open.pop_back();
    if (value == earlier && weighed) return true;
    const NodeId producer = graph.value(value).producer;
    if (producer == kNone || facts.place[producer] < first) continue;
    const bool now = weighed || facts.weights.holds[producer];
    if (!(now ? visited.weighed : visited.plain).Insert(producer)) continue;
    for (const ValueId input : graph.node(producer).inputs) {
      if (++edges > kMostEdges) return false;
      if (input != kNone) open.emplace_back(input, now);
    }
  }
  return false;
}

// Whether the sum goes into a Softmax without weights or products of activations in between: scores
// of an attention, to which a mask or a position bias is added. Layers share those, so that later
// scores do depend on them through weights.
bool IsAttentionScore(const Graph& graph, NodeId add, VisitedNodes& visited) {
  constexpr int kMostSteps = 32;
  int steps = 0;
  bool found = false;
  WalkForward(graph, OutputOf(graph, add), visited, [&](NodeId next) {
    found = found || IsAnyOf(graph, next, {"Softmax"});
    return !found && ++steps < kMostSteps &&
           IsAnyOf(graph, next,
                   {"Add", "Sub", "Mul", "Div", "Where", "Max", "Min", "Clip", "Cast", "Reshape",
                    "Concat", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Identity"});
  });
  return found;
}

}  // namespace

void FindResiduals(const RoleFacts& facts, Roles& roles) {
  const Graph& graph = facts.graph;
  Visited visited{VisitedNodes(graph), VisitedNodes(graph)};
  const auto activation = [&](ValueId value) {
    const ValueId before = value == kNone ? kNone : facts.uncast[value];
    return ConstantBehind(graph, before) == kNone ? before : kNone;
  };
  for (const NodeId id : graph.order()) {
    if (!IsAnyOf(graph, id, {"Add", "Sum"}) || graph.node(id).inputs.size() != 2) continue;
    const ValueId a = activation(InputOf(graph, id, 0));
    const ValueId b = activation(InputOf(graph, id, 1));
    if (a == kNone || b == kNone || a == b) continue;
    const ValueId earlier = PlaceOf(facts, a) < PlaceOf(facts, b) ? a : b;
    const ValueId later = earlier == a ? b : a;
    if (!DependsThroughWeights(facts, later, earlier, visited) ||
        IsAttentionScore(graph, id, visited.plain)) {
      continue;
    }
    Assign(id, Role::kResidual,
           absl::StrCat("adds to '", graph.value(earlier).name,
                        "' what a branch with weights made of it"),
           roles);
  }
}

}  // namespace onnxquant
