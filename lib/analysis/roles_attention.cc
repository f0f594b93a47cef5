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
  WalkBack(
      Input(softmax, 0),
      [&](NodeId node) {
        if (scores != kNone) return false;
        if (of_activations(node)) {
          scores = node;
          return false;
        }
        return Is(node, {"Add", "Mul", "Div", "Where", "Cast", "Reshape", "Transpose", "Identity"});
      },
      kMostBesideSoftmax);
  NodeId context = kNone;
  WalkForward(
      Output(softmax),
      [&](NodeId node) {
        if (context != kNone) return false;
        if (of_activations(node)) {
          context = node;
          return false;
        }
        return Is(node, {"Cast", "Reshape", "Transpose", "Identity", "Where", "IsNaN", "Dropout"});
      },
      kMostBesideSoftmax);
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
  // The roles that end the search are given before the first search.
  if (const auto known = projections_.find(value); known != projections_.end()) {
    return known->second;
  }
  WalkBack(value, [&](NodeId node) {
    if (IsWeightMatMul(node)) {
      found.push_back(node);
      return false;
    }
    const Role role = RoleAt(node);
    return role != Role::kResidual && role != Role::kEmbedding && role != Role::kAttention;
  });
  projections_[value] = found;
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
      if (projection == kNone && IsWeightMatMul(node)) projection = node;
      return projection == kNone && RoleAt(node) != Role::kResidual;
    });
    if (projection != kNone) {
      Assign(projection, Role::kOProj, absl::StrCat("projects the output of ", name));
    }
  }
}

// The graph output that hands the value out, through the branches of an If and a last Identity,
// Cast or Transpose; kNone if there is none.
ValueId RoleFinder::HandedOutAs(ValueId value) const {
  while (value != kNone) {
    const Value& made = graph_.value(value);
    if (made.graph_output && made.scope == kMainScope) return value;
    if (made.graph_output) {
      const NodeId owner = graph_.scope(made.scope).owner;
      if (!Is(owner, {"If"})) return kNone;
      const std::vector<ValueId>& outputs = graph_.outputs(made.scope);
      const auto index = std::find(outputs.begin(), outputs.end(), value) - outputs.begin();
      value = Output(owner, static_cast<int>(index));
      continue;
    }
    const auto last = std::find_if(made.uses.begin(), made.uses.end(), [&](const Use& use) {
      const ValueId next =
          Is(use.node, {"Identity", "Cast", "Transpose"}) ? Output(use.node) : kNone;
      return next != kNone && graph_.value(next).graph_output;
    });
    value = last == made.uses.end() ? kNone : Output(last->node);
  }
  return kNone;
}

void RoleFinder::MarkCache(ValueId past, ValueId present, const std::string& evidence) {
  const auto mark = [&](ValueId value, const char* what) {
    roles_.values[static_cast<std::size_t>(value)] = {Role::kKvCache, kNone, what + evidence};
  };
  past = Uncast(past);
  if (past != kNone && graph_.value(past).graph_input) mark(past, "past of ");
  const ValueId out = present == kNone ? kNone : HandedOutAs(present);
  if (out != kNone) mark(out, "present of ");
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
      const ValueId past = Uncast(Input(id, 0));
      const ValueId present = Output(id);
      if (past == kNone || present == kNone || !graph_.value(past).graph_input) continue;
      if (HandedOutAs(present) != kNone) MarkCache(past, present, name);
    }
  }
  // An encoder's keys and values are made once and read as they are afterwards; the first step of
  // a decoder has no past. Only a model that reads tokens is a decoder.
  if (tables_.empty()) return;
  absl::flat_hash_set<ValueId> marked;  // with all that it was made from
  for (const Attention& attention : attentions_) {
    for (ValueId value : {attention.key, attention.value}) {
      const std::string name = graph_.Describe(attention.node);
      while (value != kNone && marked.insert(value).second) {
        MarkCache(value, value, name);
        const NodeId producer = graph_.value(value).producer;
        if (!Is(producer, {"Transpose", "Reshape", "Identity", "Cast", "Mul"})) break;
        value = Input(producer, 0);
      }
    }
  }
}

}  // namespace onnxquant
