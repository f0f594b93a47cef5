#include "lib/policy/plan_clips.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

// Whether something reads the value in a half type.
bool ReachesHalf(const Neighbourhood& around, const IdVector<NodePlan>& nodes,
                 const IdVector<bool>& open, ValueId value) {
  const ValueReaders readers = ReadersOf(around, nodes, open, value);
  return std::any_of(readers.ends.begin(), readers.ends.end(), [](const TypeEnd& reader) {
    return reader.open == kNone && IsHalf(reader.type);
  });
}

}  // namespace

SeenThrough TakeClipsOut(const PlanContext& context, const ResolvedNodes& resolved, bool rescaled,
                         const IoTypes& io, const SeenThrough& casts, OutputPlan& plan) {
  SeenThrough seen_through = casts;
  const Neighbourhood around{context, seen_through, io};
  std::size_t taken = 0;
  double limit = 0;
  for (const StreamClip& clip : context.analysis.residual.clips) {
    NodePlan& node = plan.nodes[clip.clip];
    const ValueId clipped = context.graph().node(clip.clip).outputs[0];
    const bool clipped_sum = plan.stream.clips.contains(clip.sum);
    const bool fits = rescaled || clipped_sum;
    const bool needed = !fits && (IsHalf(plan.nodes[clip.sum].compute) ||
                                  ReachesHalf(around, plan.nodes, resolved.movers, clipped));
    if (needed || resolved.kept[clip.clip] || !node.changes ||
        context.graph().value(clipped).graph_output) {
      continue;
    }
    seen_through[clip.clip] = true;
    limit = std::max(limit, clip.limit);
    ++taken;
    const char* because = rescaled      ? "the stream is rescaled to fit"
                          : clipped_sum ? "the policy clips the sum itself"
                                        : "the sum that it clamps is computed in float32";
    node.why.push_back(
        {because, absl::StrCat("the clamp to ±", NumberText(clip.limit), ": taken out")});
  }
  if (taken > 0) {
    absl::StrAppend(&plan.residual, plan.residual.empty() ? "" : "; ", taken,
                    taken == 1 ? " Clip" : " Clips", " of its sums to ±", NumberText(limit),
                    " taken out");
  }
  return seen_through;
}

}  // namespace onnxquant
