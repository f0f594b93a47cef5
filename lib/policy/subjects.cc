#include "lib/policy/subjects.h"

#include <algorithm>

namespace onnxquant {

Subject SubjectOf(const PlanContext& context, NodeId node) {
  const Graph& graph = context.graph();
  const NodeRole& role = context.RoleOfNode(node);
  Subject subject;
  subject.role = NameOf(role.role);
  subject.also = NameOf(role.also);
  subject.op = graph.OpName(node);
  subject.name = graph.node(node).proto->name();
  subject.layer = role.layer;
  subject.layers = context.analysis.roles.layers;
  subject.hazards = HazardsOf(context.analysis.hazards, node);
  subject.peak = PeakOf(context, node);
  subject.computes = context.Traits(node).CanChange();
  subject.sums = role.Is(Role::kResidual);
  subject.levels = HoldsCodes(*graph.node(node).proto);
  return subject;
}

std::string StatisticOf(const PlanContext& context, const WeightUse& use) {
  if (!context.evidence.calibration) return "";
  const auto& inputs = context.evidence.calibration->inputs;
  const auto found = inputs.find({use.reader.node, use.reader.input});
  return found == inputs.end() ? "" : found->second;
}

std::optional<double> PeakOf(const PlanContext& context, NodeId node) {
  if (!context.evidence.ranges) return std::nullopt;
  std::optional<double> peak;
  for (const ValueId output : context.graph().node(node).outputs) {
    if (output == kNone) continue;
    const auto measured = context.evidence.ranges->peaks.find(context.graph().value(output).name);
    if (measured == context.evidence.ranges->peaks.end()) continue;
    peak = std::max(peak.value_or(0), measured->second);
  }
  return peak;
}

}  // namespace onnxquant
