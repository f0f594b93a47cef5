#include "absl/strings/str_cat.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

// Whether nothing that the stream is computed from token by token makes the keys: they come from
// another graph's output, or from an encoder beside.
bool IsFromElsewhere(const Graph& graph, ValueId keys, const IdVector<bool>& stream) {
  const NodeId source = keys == kNone ? kNone : graph.value(keys).producer;
  return keys != kNone && (source == kNone || !stream[source]);
}

}  // namespace

void FindCrossAttentions(const RoleFacts& facts, const Embeddings& embeddings,
                         const std::vector<Attention>& attentions, Roles& roles) {
  const Graph& graph = facts.graph;
  if (embeddings.tables.empty()) return;  // without tokens nothing says which stream is whose
  const IdVector<bool> stream = DescendsFromStream(graph, embeddings, roles);
  for (const Attention& attention : attentions) {
    if (!stream[attention.node] || !IsFromElsewhere(graph, attention.key, stream)) continue;
    const std::string why = absl::StrCat("its keys '", graph.value(attention.key).name,
                                         "' are not computed from the stream that asks");
    for (const NodeId id : {attention.scores, attention.context}) {
      if (id != kNone) Refine(id, Role::kCrossAttention, why, roles);
    }
    if (attention.scores == kNone) Refine(attention.node, Role::kCrossAttention, why, roles);
  }
}

}  // namespace onnxquant
