#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_finder.h"

namespace onnxquant {

void RoleFinder::FindAttentions() {
  for (const NodeId id : graph_.order()) {
    if (Is(id, {"GroupQueryAttention", "MultiHeadAttention", "Attention"})) {
      Assign(id, Role::kAttention, absl::StrCat("the operator is ", graph_.OpName(id)));
      // com.microsoft's Attention holds the projections itself: its input 1 is their weight.
      const bool own_weights = graph_.OpName(id) == "com.microsoft::Attention";
      attentions_.push_back({id, own_weights ? kNone : Input(id, 0),
                             own_weights ? kNone : Input(id, 1), own_weights ? kNone : Input(id, 2),
                             Output(id)});
    } else if (Is(id, {"Softmax"})) {
      FindDecomposedAttention(id);
    }
  }
}

// Softmax between two MatMuls of activations: scores from queries and keys before it, past masks
// and scales; values after it.
void RoleFinder::FindDecomposedAttention(NodeId softmax) {
  const auto of_activations = [this](NodeId node) {
    return Is(node, {"MatMul", "FusedMatMul"}) && !IsConstant(Input(node, 0)) &&
           !IsConstant(Input(node, 1));
  };
  NodeId scores = kNone;
  WalkBack(Input(softmax, 0), [&](NodeId node) {
    if (scores != kNone) return false;
    if (of_activations(node)) {
      scores = node;
      return false;
    }
    return Is(node, {"Add", "Mul", "Div", "Where", "Cast", "Reshape", "Transpose", "Identity"});
  });
  NodeId context = kNone;
  WalkForward(Output(softmax), [&](NodeId node) {
    if (context != kNone) return false;
    if (of_activations(node)) {
      context = node;
      return false;
    }
    return Is(node, {"Cast", "Reshape", "Transpose", "Identity", "Where", "IsNaN", "Dropout"});
  });
  if (scores == kNone || context == kNone || scores == context) return;
  Assign(scores, Role::kAttention, "its product of two activations goes into a Softmax");
  Assign(context, Role::kAttention, "multiplies a Softmax's output with an activation");
  attentions_.push_back(
      {softmax, Input(scores, 0), Input(scores, 1), Input(context, 1), Output(context)});
}

// The nearest projections from which the value is computed.
std::vector<NodeId> RoleFinder::ProjectionsBehind(ValueId value) const {
  std::vector<NodeId> found;
  if (value == kNone) return found;
  WalkBack(value, [&](NodeId node) {
    if (WeightMatMulAt(node)) {
      found.push_back(node);
      return false;
    }
    const Role role = RoleAt(node);
    return role != Role::kResidual && role != Role::kEmbedding && role != Role::kAttention;
  });
  return found;
}

void RoleFinder::FindProjections() {
  for (const Attention& attention : attentions_) {
    const std::string name = graph_.Describe(attention.node);
    const struct {
      ValueId value;
      Role role;
      const char* what;
    } sides[] = {{attention.query, Role::kQProj, "queries"},
                 {attention.key, Role::kKProj, "keys"},
                 {attention.value, Role::kVProj, "values"}};
    std::vector<NodeId> makers[3];
    for (int i = 0; i < 3; ++i) makers[i] = ProjectionsBehind(sides[i].value);
    for (int i = 0; i < 3; ++i) {
      if (makers[i].size() != 1) continue;
      // A fused projection makes more than one of the three (or the operator has but one input).
      const bool fused = attention.key == kNone ||
                         std::count_if(std::begin(makers), std::end(makers),
                                       [&](const auto& other) { return other == makers[i]; }) > 1;
      if (fused) {
        roles_.nodes[static_cast<std::size_t>(makers[i][0])].evidence =
            absl::StrCat("makes more than one of queries, keys and values of ", name);
        continue;
      }
      Assign(makers[i][0], sides[i].role, absl::StrCat("makes the ", sides[i].what, " of ", name));
    }
    if (attention.output == kNone) continue;
    NodeId projection = kNone;
    WalkForward(attention.output, [&](NodeId node) {
      if (projection == kNone && WeightMatMulAt(node)) projection = node;
      return projection == kNone && RoleAt(node) != Role::kResidual;
    });
    if (projection != kNone) {
      Assign(projection, Role::kOProj, absl::StrCat("projects the output of ", name));
    }
  }
}

void RoleFinder::MarkCache(ValueId past, ValueId present, const std::string& evidence) {
  if (past != kNone && graph_.value(past).graph_input) {
    roles_.values[static_cast<std::size_t>(past)] = {Role::kKvCache, kNone, "past of " + evidence};
  }
  if (present != kNone && graph_.value(present).graph_output) {
    roles_.values[static_cast<std::size_t>(present)] = {Role::kKvCache, kNone,
                                                        "present of " + evidence};
  }
}

void RoleFinder::FindKvCache() {
  for (const NodeId id : graph_.order()) {
    const std::string name = graph_.Describe(id);
    if (Is(id, {"GroupQueryAttention"})) {
      MarkCache(Input(id, 3), Output(id, 1), name);
      MarkCache(Input(id, 4), Output(id, 2), name);
    } else if (Is(id, {"MultiHeadAttention"})) {
      MarkCache(Input(id, 6), Output(id, 1), name);
      MarkCache(Input(id, 7), Output(id, 2), name);
    } else if (graph_.OpName(id) == "Attention") {
      MarkCache(Input(id, 4), Output(id, 1), name);
      MarkCache(Input(id, 5), Output(id, 2), name);
    } else if (Is(id, {"Concat"}) && graph_.node(id).inputs.size() == 2) {
      // A decomposed cache: what came in is joined with what is new, and goes out.
      const ValueId past = Input(id, 0);
      const ValueId present = Output(id);
      if (past == kNone || present == kNone || !graph_.value(past).graph_input) continue;
      bool out = graph_.value(present).graph_output;
      for (const Use& use : graph_.value(present).uses) {
        const ValueId next = Output(use.node);
        out = out || (Is(use.node, {"Identity", "Cast"}) && next != kNone &&
                      graph_.value(next).graph_output);
      }
      if (out) MarkCache(past, present, name);
    }
  }
}

}  // namespace onnxquant
