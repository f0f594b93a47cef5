#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

// Marks what comes in as `past` and goes out as `present` of the node, where it does.
void MarkCache(const RoleFacts& facts, ValueId past, ValueId present, NodeId node, Roles& roles) {
  const auto mark = [&](ValueId value, const char* what) {
    const absl::string_view why = Keep(absl::StrCat(what, facts.graph.Describe(node)), roles);
    roles.values[value] = {Role::kKvCache, Role::kNone, kNone, why};
  };
  if (past != kNone) past = facts.uncast[past];
  if (past != kNone && facts.graph.value(past).graph_input) mark(past, "past of ");
  const ValueId out = HandedOutAs(facts.graph, present);
  if (out != kNone) mark(out, "present of ");
}

// An encoder's keys and values are made once and read as they are afterwards; the first step of a
// decoder has no past.
void MarkEncoderCaches(const RoleFacts& facts, const std::vector<Attention>& attentions,
                       Roles& roles) {
  absl::flat_hash_set<ValueId> marked;  // with all that it was made from
  for (const Attention& attention : attentions) {
    for (ValueId value : {attention.key, attention.value}) {
      while (value != kNone && marked.insert(value).second) {
        MarkCache(facts, value, value, attention.node, roles);
        const NodeId producer = facts.graph.value(value).producer;
        if (!IsAnyOf(facts.graph, producer, {"Transpose", "Reshape", "Identity", "Cast", "Mul"})) {
          break;
        }
        value = InputOf(facts.graph, producer, 0);
      }
    }
  }
}

}  // namespace

ValueId HandedOutAs(const Graph& graph, ValueId value) {
  while (value != kNone) {
    const Value& made = graph.value(value);
    if (made.graph_output && made.scope == kMainScope) return value;
    if (made.graph_output) {
      const NodeId owner = graph.scope(made.scope).owner;
      if (!IsAnyOf(graph, owner, {"If"})) return kNone;
      const std::vector<ValueId>& outputs = graph.outputs(made.scope);
      const auto index = std::find(outputs.begin(), outputs.end(), value) - outputs.begin();
      value = OutputOf(graph, owner, static_cast<int>(index));
      continue;
    }
    const auto last = std::find_if(made.uses.begin(), made.uses.end(), [&](const Use& use) {
      const ValueId next = IsAnyOf(graph, use.node, {"Identity", "Cast", "Transpose"})
                               ? OutputOf(graph, use.node)
                               : kNone;
      return next != kNone && graph.value(next).graph_output;
    });
    value = last == made.uses.end() ? kNone : OutputOf(graph, last->node);
  }
  return kNone;
}

void FindKvCache(const RoleFacts& facts, const Embeddings& embeddings,
                 const std::vector<Attention>& attentions, Roles& roles) {
  const Graph& graph = facts.graph;
  // The past keys are an input and the present ones an output; those of the values come next.
  const auto mark_pairs = [&](NodeId id, int past_keys) {
    for (const int i : {0, 1}) {
      MarkCache(facts, InputOf(graph, id, past_keys + i), OutputOf(graph, id, 1 + i), id, roles);
    }
  };
  for (const NodeId id : graph.order()) {
    if (IsAnyOf(graph, id, {"GroupQueryAttention"})) {
      mark_pairs(id, 3);
    } else if (IsAnyOf(graph, id, {"MultiHeadAttention"})) {
      mark_pairs(id, 6);
    } else if (IsAnyOf(graph, id, {"Attention"}) && graph.OpName(id) == "Attention") {
      mark_pairs(id, 4);
    } else if (IsAnyOf(graph, id, {"Concat"}) && graph.node(id).inputs.size() == 2) {
      // A decomposed cache: what came in is joined with what is new, and goes out.
      const ValueId past = InputOf(graph, id, 0);
      const ValueId present = OutputOf(graph, id);
      if (past == kNone || present == kNone) continue;
      if (!graph.value(facts.uncast[past]).graph_input) continue;
      if (HandedOutAs(graph, present) != kNone) MarkCache(facts, past, present, id, roles);
    }
  }
  // Only a model that reads tokens is a decoder.
  if (!embeddings.tables.empty()) MarkEncoderCaches(facts, attentions, roles);
}

}  // namespace onnxquant
