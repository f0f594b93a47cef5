#include <algorithm>

#include "lib/analysis/role_detectors.h"
#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

// By NodeId: whether a layer begins with it, as with each attention of the stream to itself. (Keys
// from elsewhere: cross attention, which belongs to the layer it stands in.)
IdVector<bool> LayersBegin(const Graph& graph, const std::vector<Attention>& attentions,
                           const IdVector<bool>& stream) {
  IdVector<bool> begins(graph.nodes().size(), false);
  for (const Attention& attention : attentions) {
    const NodeId source = attention.key == kNone ? kNone : graph.value(attention.key).producer;
    const bool to_itself = attention.key == kNone || (source != kNone && stream[source]);
    if (to_itself && stream[attention.node]) begins[attention.node] = true;
  }
  return begins;
}

// By NodeId: how many layers begin on the way to it, itself included.
IdVector<int> LayersBegun(const Graph& graph, const IdVector<bool>& begins) {
  IdVector<int> begun(graph.nodes().size(), 0);
  for (const NodeId id : graph.order()) {
    int count = 0;
    for (const ValueId input : graph.node(id).inputs) {
      const NodeId producer = input == kNone ? kNone : graph.value(input).producer;
      if (producer != kNone) count = std::max(count, begun[producer]);
    }
    begun[id] = count + (begins[id] ? 1 : 0);
  }
  return begun;
}

}  // namespace

IdVector<bool> DescendsFromStream(const Graph& graph, const Embeddings& embeddings,
                                  const Roles& roles) {
  IdVector<bool> descends(graph.nodes().size(), false);
  const bool embedded = !embeddings.tables.empty();
  const auto starts = [&](ValueId value) {
    const Value& v = graph.value(value);
    return v.graph_input && v.declared != nullptr &&
           IsFloat(static_cast<ElementType>(v.declared->type().tensor_type().elem_type())) &&
           roles.OfValue(value).role != Role::kKvCache;
  };
  for (const NodeId id : graph.order()) {
    if (IsAnyOf(graph, id, {"Shape"})) continue;  // of the stream's shape, not of its numbers
    bool found = embedded && roles.nodes[id].role == Role::kEmbedding;
    for (const ValueId input : graph.node(id).inputs) {
      if (input == kNone) continue;
      const NodeId producer = graph.value(input).producer;
      found = found || (producer != kNone && descends[producer]) || (!embedded && starts(input));
    }
    descends[id] = found;
  }
  return descends;
}

// A residual Add's layer is that of the last attention before it; any other node of the stream has
// the layer of the next residual Add.
void NumberLayers(const Graph& graph, const Embeddings& embeddings,
                  const std::vector<Attention>& attentions, Roles& roles) {
  const IdVector<bool> stream = DescendsFromStream(graph, embeddings, roles);
  const IdVector<int> begun = LayersBegun(graph, LayersBegin(graph, attentions, stream));
  for (const int count : begun) roles.layers = std::max(roles.layers, count);
  for (auto it = graph.order().rbegin(); it != graph.order().rend(); ++it) {
    NodeRole& role = roles.nodes[*it];
    if (!stream[*it] || role.role == Role::kEmbedding || role.role == Role::kLmHead) continue;
    const bool skip_norm =
        IsAnyOf(graph, *it, {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"});
    if ((role.role == Role::kResidual || skip_norm) && begun[*it] > 0) {
      role.layer = begun[*it] - 1;
      continue;
    }
    for (const ValueId output : graph.node(*it).outputs) {
      if (output == kNone) continue;
      for (const Use& use : graph.value(output).uses) {
        const int next = roles.nodes[use.node].layer;
        if (next != kNone && (role.layer == kNone || next < role.layer)) role.layer = next;
      }
    }
  }
}

}  // namespace onnxquant
