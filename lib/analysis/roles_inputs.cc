// What graph inputs are for, by where they lead: to what hides positions, or to what counts them.
// And the outputs that hand out the stream itself.
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/residual_stream.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

// All graph inputs that one or more values are computed from, past no weights and no shapes. Each
// node is visited once, however many values lead to it.
class InputsBehind {
 public:
  InputsBehind(const RoleFacts& facts, const Roles& roles)
      : facts_(facts), roles_(roles), seen_(facts.graph.nodes().size(), false) {}

  void Add(ValueId value) {
    std::vector<ValueId> open = {value};
    while (!open.empty()) {
      const ValueId next = open.back();
      open.pop_back();
      if (next == kNone) continue;
      if (facts_.graph.value(next).graph_input) found_.insert(next);
      const NodeId producer = facts_.graph.value(next).producer;
      if (producer == kNone || seen_[producer]) continue;
      seen_[producer] = true;
      if (Stops(producer)) continue;
      const ValueIds& inputs = facts_.graph.node(producer).inputs;
      open.insert(open.end(), inputs.begin(), inputs.end());
    }
  }

  const absl::flat_hash_set<ValueId>& found() const { return found_; }

 private:
  bool Stops(NodeId node) const {
    const NodeRole& role = roles_.nodes[node];
    return facts_.weights.holds[node] || role.Is(Role::kEmbedding) || role.Is(Role::kResidual) ||
           role.Is(Role::kNorm) || role.Is(Role::kAttention) ||
           IsAnyOf(facts_.graph, node, {"Shape", "Size", "If", "Loop", "Scan", "TopK"});
  }

  const RoleFacts& facts_;
  const Roles& roles_;
  IdVector<bool> seen_;
  absl::flat_hash_set<ValueId> found_;
};

std::vector<int> MaskSlots(const Graph& graph, NodeId node) {
  if (IsAnyOf(graph, node, {"GroupQueryAttention"})) return {5, 6, 10};
  if (IsAnyOf(graph, node, {"MultiHeadAttention"})) return {4, 5};
  if (graph.OpName(node) == "com.microsoft::Attention") return {3, 5};
  return IsAnyOf(graph, node, {"Attention"}) ? std::vector<int>{3} : std::vector<int>{};
}

// Between the scores and the Softmax: what is added to them, or chooses among them.
void AddMasksOfScores(const RoleFacts& facts, const Attention& attention, VisitedNodes& visited,
                      InputsBehind& masks) {
  const Graph& graph = facts.graph;
  std::vector<NodeId> between;
  WalkForward(
      graph, OutputOf(graph, attention.scores), visited,
      [&](NodeId node) {
        if (node == attention.node || node == attention.context) return false;
        between.push_back(node);
        return IsAnyOf(graph, node,
                       {"Add", "Mul", "Div", "Where", "Cast", "Reshape", "Transpose", "Identity"});
      },
      64);
  for (const NodeId node : between) {
    if (!IsAnyOf(graph, node, {"Add", "Where"})) continue;
    for (const ValueId input : graph.node(node).inputs) masks.Add(input);
  }
}

// The graph inputs whose numbers are tokens: an embedding's rows are gathered by them as they are.
absl::flat_hash_set<ValueId> TokenInputs(const Graph& graph, const Roles& roles) {
  absl::flat_hash_set<ValueId> found;
  for (const NodeId id : graph.order()) {
    const Role role = roles.nodes[id].role;
    if (role != Role::kEmbedding && role != Role::kPerLayerEmbedding) continue;
    const bool fused = IsAnyOf(graph, id, {"EmbedLayerNormalization"});
    for (const int slot : fused ? std::vector<int>{0, 1} : std::vector<int>{1}) {
      ValueId ids = InputOf(graph, id, slot);
      while (ids != kNone && IsAnyOf(graph, graph.value(ids).producer,
                                     {"Cast", "Reshape", "Identity", "Unsqueeze", "Squeeze"})) {
        ids = InputOf(graph, graph.value(ids).producer, 0);
      }
      if (ids != kNone && graph.value(ids).graph_input) found.insert(ids);
    }
  }
  return found;
}

void AddPositions(const Graph& graph, NodeId id, const Roles& roles, InputsBehind& positions) {
  if (graph.OpName(id) == "com.microsoft::RotaryEmbedding") positions.Add(InputOf(graph, id, 1));
  if (graph.OpName(id) == "RotaryEmbedding") positions.Add(InputOf(graph, id, 3));
  if (IsAnyOf(graph, id, {"GroupQueryAttention"})) positions.Add(InputOf(graph, id, 9));
  if (IsAnyOf(graph, id, {"Sin", "Cos"})) positions.Add(InputOf(graph, id, 0));
  if (roles.nodes[id].role == Role::kPosition && IsAnyOf(graph, id, {"Gather"})) {
    positions.Add(InputOf(graph, id, 1));
  }
}

// Of a sum of the stream that is a graph output itself: what is narrowed there overflows as it
// would inside.
void MarkStreamOutputs(const Graph& graph, Roles& roles) {
  for (const NodeId id : graph.order()) {
    if (!roles.nodes[id].Is(Role::kResidual)) continue;
    constexpr int kSkipSum = 3;
    const ValueId sum = OutputOf(graph, id, IsSkipNorm(graph, id) ? kSkipSum : 0);
    const ValueId out = sum == kNone ? kNone : HandedOutAs(graph, sum);
    if (out == kNone || roles.values.contains(out)) continue;
    roles.values[out] = {Role::kResidual, Role::kNone, roles.nodes[id].layer,
                         Keep(absl::StrCat("is what ", graph.Describe(id), " makes"), roles)};
  }
}

}  // namespace

void FindInputs(const RoleFacts& facts, const std::vector<Attention>& attentions, Roles& roles) {
  const Graph& graph = facts.graph;
  InputsBehind masks(facts, roles);
  InputsBehind positions(facts, roles);
  VisitedNodes visited(graph);
  for (const Attention& attention : attentions) {
    for (const int slot : MaskSlots(graph, attention.node)) {
      masks.Add(InputOf(graph, attention.node, slot));
    }
    if (attention.scores != kNone) AddMasksOfScores(facts, attention, visited, masks);
  }
  for (const NodeId id : graph.order()) {
    AddPositions(graph, id, roles, positions);
    if (!IsAnyOf(graph, id, {"EmbedLayerNormalization"})) continue;
    masks.Add(InputOf(graph, id, 7));
    positions.Add(InputOf(graph, id, 8));
  }
  const absl::flat_hash_set<ValueId> tokens = TokenInputs(graph, roles);
  // Positions can be counted from a mask, and a causal mask compares positions: what names neither
  // is the mask where it leads to one at all.
  for (const ValueId input : masks.found()) {
    const bool both = positions.found().contains(input);
    if (roles.values.contains(input) || tokens.contains(input) ||
        (both && absl::StrContains(graph.value(input).name, "position")))
      continue;
    roles.values[input] = {Role::kMask, Role::kNone, kNone,
                           Keep("it hides positions from attentions", roles)};
  }
  for (const ValueId input : positions.found()) {
    if (roles.values.contains(input) || tokens.contains(input) ||
        !IsIntegerInput(graph.value(input)))
      continue;
    roles.values[input] = {Role::kPosition, Role::kNone, kNone,
                           Keep("positions are counted by it", roles)};
  }
  MarkStreamOutputs(graph, roles);
}

}  // namespace onnxquant
