#include <algorithm>
#include <cstddef>

#include "lib/analysis/role_finder.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// Nodes computed from the embedding; without one, from float graph inputs other than the cache.
std::vector<bool> RoleFinder::DescendsFromStream() const {
  std::vector<bool> descends(graph_.nodes().size(), false);
  const bool embedded = !tables_.empty();
  const auto starts = [this](ValueId value) {
    const Value& v = graph_.value(value);
    return v.graph_input && v.declared != nullptr &&
           IsFloat(static_cast<ElementType>(v.declared->type().tensor_type().elem_type())) &&
           roles_.values[static_cast<std::size_t>(value)].role != Role::kKvCache;
  };
  for (const NodeId id : graph_.order()) {
    bool found = embedded && RoleAt(id) == Role::kEmbedding;
    for (const ValueId input : graph_.node(id).inputs) {
      if (input == kNone) continue;
      const NodeId producer = graph_.value(input).producer;
      found = found || (producer != kNone && descends[static_cast<std::size_t>(producer)]) ||
              (!embedded && starts(input));
    }
    descends[static_cast<std::size_t>(id)] = found;
  }
  return descends;
}

// A layer begins with each attention of the stream to itself (keys from elsewhere: cross attention,
// which belongs to the layer it stands in). A residual Add's layer is that of the last attention
// before it; any other node of the stream has the layer of the next residual Add.
void RoleFinder::NumberLayers() {
  const std::vector<bool> stream = DescendsFromStream();
  std::vector<int> attentions(graph_.nodes().size(), 0);  // on the way to each node
  std::vector<bool> begins(graph_.nodes().size(), false);
  for (const Attention& attention : attentions_) {
    const NodeId source = attention.key == kNone ? kNone : graph_.value(attention.key).producer;
    const bool to_itself =
        attention.key == kNone || (source != kNone && stream[static_cast<std::size_t>(source)]);
    if (to_itself && stream[static_cast<std::size_t>(attention.node)]) {
      begins[static_cast<std::size_t>(attention.node)] = true;
    }
  }
  for (const NodeId id : graph_.order()) {
    int count = 0;
    for (const ValueId input : graph_.node(id).inputs) {
      const NodeId producer = input == kNone ? kNone : graph_.value(input).producer;
      if (producer != kNone)
        count = std::max(count, attentions[static_cast<std::size_t>(producer)]);
    }
    attentions[static_cast<std::size_t>(id)] =
        count + (begins[static_cast<std::size_t>(id)] ? 1 : 0);
    roles_.layers = std::max(roles_.layers, attentions[static_cast<std::size_t>(id)]);
  }
  for (auto it = graph_.order().rbegin(); it != graph_.order().rend(); ++it) {
    const auto at = static_cast<std::size_t>(*it);
    NodeRole& role = roles_.nodes[at];
    if (!stream[at] || role.role == Role::kEmbedding || role.role == Role::kLmHead) continue;
    const bool skip_norm = Is(*it, {"SkipLayerNormalization", "SkipSimplifiedLayerNormalization"});
    if ((role.role == Role::kResidual || skip_norm) && attentions[at] > 0) {
      role.layer = attentions[at] - 1;
      continue;
    }
    for (const ValueId output : graph_.node(*it).outputs) {
      if (output == kNone) continue;
      for (const Use& use : graph_.value(output).uses) {
        const int next = roles_.nodes[static_cast<std::size_t>(use.node)].layer;
        if (next != kNone && (role.layer == kNone || next < role.layer)) role.layer = next;
      }
    }
  }
}

}  // namespace onnxquant
