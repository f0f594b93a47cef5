#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/analysis/role_finder.h"

namespace onnxquant {

// Whether `later` is computed from `earlier` along a path that passes weights. The search goes back
// from `later` and never before `earlier`, so that it stays within one branch of a sane model.
bool RoleFinder::DependsThroughWeights(ValueId later, ValueId earlier) const {
  const NodeId source = graph_.value(earlier).producer;
  const int first = source == kNone ? -1 : position_[static_cast<std::size_t>(source)];
  std::vector<std::pair<ValueId, bool>> open = {{later, false}};
  seen_.Clear(graph_.nodes().size());
  seen_weighed_.Clear(graph_.nodes().size());
  std::size_t edges = 0;
  while (!open.empty() && seen_.count() + seen_weighed_.count() < kMostVisited) {
    const auto [value, weighed] = open.back();
    open.pop_back();
    if (value == earlier && weighed) return true;
    const NodeId producer = graph_.value(value).producer;
    if (producer == kNone || position_[static_cast<std::size_t>(producer)] < first) continue;
    const bool now = weighed || HoldsWeights(producer);
    if (!(now ? seen_weighed_ : seen_).Insert(producer)) continue;
    for (const ValueId input : graph_.node(producer).inputs) {
      if (++edges > kMostEdges) return false;
      if (input != kNone) open.emplace_back(input, now);
    }
  }
  return false;
}

// Whether the sum goes into a Softmax without weights or products of activations in between: scores
// of an attention, to which a mask or a position bias is added. Layers share those, so that later
// scores do depend on them through weights.
bool RoleFinder::IsAttentionScore(NodeId add) const {
  constexpr int kMostSteps = 32;
  int steps = 0;
  bool found = false;
  WalkForward(Output(add), [&](NodeId next) {
    found = found || Is(next, {"Softmax"});
    return !found && ++steps < kMostSteps &&
           Is(next, {"Add", "Mul", "Div", "Where", "Max", "Min", "Clip", "Cast", "Reshape",
                     "Transpose", "Squeeze", "Unsqueeze", "Expand", "Identity"});
  });
  return found;
}

void RoleFinder::FindResiduals() {
  for (const NodeId id : graph_.order()) {
    const Node& node = graph_.node(id);
    if (!Is(id, {"Add", "Sum"}) || node.inputs.size() != 2) continue;
    const ValueId a = Uncast(node.inputs[0]);
    const ValueId b = Uncast(node.inputs[1]);
    if (a == kNone || b == kNone || a == b || IsConstant(a) || IsConstant(b)) continue;
    const auto place = [this](ValueId value) {
      const NodeId producer = graph_.value(value).producer;
      return producer == kNone ? -1 : position_[static_cast<std::size_t>(producer)];
    };
    const ValueId earlier = place(a) < place(b) ? a : b;
    const ValueId later = earlier == a ? b : a;
    if (!DependsThroughWeights(later, earlier) || IsAttentionScore(id)) continue;
    Assign(id, Role::kResidual,
           absl::StrCat("adds to '", graph_.value(earlier).name,
                        "' what a branch with weights made of it"));
  }
}

}  // namespace onnxquant
