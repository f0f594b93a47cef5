#include "lib/analysis/stream_clips.h"

#include <optional>

#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

constexpr double kSmallestLimit = 8192;

// The limit, where `node` clamps a half type to ± as much.
std::optional<double> SymmetricLimit(const HazardContext& context, NodeId node) {
  if (context.Op(node) != "Clip" || !IsHalf(context.TypeOf(context.Input(node, 0)))) {
    return std::nullopt;
  }
  const std::optional<double> lower = context.ClipLimit(node, "min", 1);
  const std::optional<double> upper = context.ClipLimit(node, "max", 2);
  const bool symmetric = lower && upper && *lower == -*upper;
  const bool in_range = symmetric && *upper >= kSmallestLimit && *upper <= kHalfLargest;
  return in_range ? upper : std::nullopt;
}

}  // namespace

std::vector<StreamClip> FindStreamClips(const Graph& graph, const ValueTypes& types,
                                        const Roles& roles) {
  const HazardContext context(graph, types);
  std::vector<StreamClip> clips;
  for (const NodeId id : graph.order()) {
    const std::optional<double> limit = SymmetricLimit(context, id);
    if (!limit) continue;
    NodeId sum = graph.ProducerOf(id, 0);
    while (context.Op(sum) == "Cast") sum = graph.ProducerOf(sum, 0);
    if (sum == kNone || roles.nodes[sum].role != Role::kResidual) continue;
    clips.push_back({id, sum, *limit});
  }
  return clips;
}

}  // namespace onnxquant
