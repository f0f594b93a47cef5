#include <algorithm>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

void AssignMakers(const RoleFacts& facts, const Attention& attention, NearestProjections& nearest,
                  Roles& roles) {
  const std::string name = facts.graph.Describe(attention.node);
  const struct {
    ValueId value;
    Role role;
    const char* what;
  } sides[] = {{attention.query, Role::kQProj, "queries"},
               {attention.key, Role::kKProj, "keys"},
               {attention.value, Role::kVProj, "values"}};
  std::vector<NodeId> makers[3];
  for (int i = 0; i < 3; ++i) makers[i] = nearest.Behind(sides[i].value);
  for (int i = 0; i < 3; ++i) {
    if (makers[i].size() != 1) continue;
    // A fused projection makes more than one of the three (or the operator has but one input).
    const bool fused =
        attention.key == kNone || std::count(std::begin(makers), std::end(makers), makers[i]) > 1;
    if (fused) {
      Assign(makers[i][0], Role::kQkvProj,
             absl::StrCat("makes more than one of queries, keys and values of ", name), roles);
      continue;
    }
    Assign(makers[i][0], sides[i].role, absl::StrCat("makes the ", sides[i].what, " of ", name),
           roles);
  }
}

void AssignOutput(const RoleFacts& facts, const Attention& attention, VisitedNodes& visited,
                  Roles& roles) {
  if (attention.output == kNone) return;
  NodeId projection = kNone;
  WalkForward(facts.graph, attention.output, visited, [&](NodeId node) {
    if (projection == kNone && facts.weights.matmul[node]) projection = node;
    return projection == kNone && !roles.nodes[node].Is(Role::kResidual);
  });
  if (projection == kNone) return;
  const std::string name = facts.graph.Describe(attention.node);
  Assign(projection, Role::kOProj, absl::StrCat("projects the output of ", name), roles);
}

}  // namespace

const std::vector<NodeId>& NearestProjections::Behind(ValueId value) {
  const auto [it, added] = found_.try_emplace(value);
  std::vector<NodeId>& found = it->second;
  if (!added || value == kNone) return found;
  WalkBack(facts_.graph, value, visited_, [&](NodeId node) {
    if (facts_.weights.matmul[node]) {
      found.push_back(node);
      return false;
    }
    // What asks for a shape computes nothing from the numbers.
    if (IsAnyOf(facts_.graph, node, {"Shape"})) return false;
    const NodeRole& role = roles_.nodes[node];
    return !role.Is(Role::kResidual) && !role.Is(Role::kEmbedding) && !role.Is(Role::kAttention);
  });
  return found;
}

void FindProjections(const RoleFacts& facts, const std::vector<Attention>& attentions,
                     Roles& roles) {
  NearestProjections nearest(facts, roles);
  VisitedNodes visited(facts.graph);
  for (const Attention& attention : attentions) {
    AssignMakers(facts, attention, nearest, roles);
    AssignOutput(facts, attention, visited, roles);
  }
}

}  // namespace onnxquant
