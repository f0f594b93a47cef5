// The hazards of HazardNames(), where the nodes that have them compute in 16 bits.
#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"
#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

struct Row {
  const char* hazard;
  Severity severity;  // an error where the graph's constants prove it
  bool range;         // a matter of float16's range: bfloat16 has float32's
};

constexpr Row kRows[] = {
    {"decomposed_norm", Severity::kError, true},
    {"exp_sum", Severity::kWarning, true},
    {"small_eps", Severity::kError, true},
    {"near_zero", Severity::kWarning, true},
    {"long_reduction", Severity::kWarning, false},
    {"integer_arithmetic", Severity::kWarning, false},
    {"accumulating_loop", Severity::kWarning, false},
    {"small_constant", Severity::kError, true},
    {"large_constant", Severity::kError, true},
    {"transpose_fusion", Severity::kError, true},
};

// What only moves elements loses nothing that its neighbours keep.
bool ComputesIn(const CheckContext& context, const HazardContext& walker, NodeId id, bool range) {
  const Node& node = context.graph().node(id);
  if (walker.IsMover(id) && walker.Op(id) != "Transpose") return false;
  const auto counts = [&](ValueId value) {
    const ElementType type = context.TypeOf(value);
    return range ? type == ElementType::kFloat16 : IsHalf(type);
  };
  const auto is_float = [&](ValueId value) { return walker.IsFloat(value); };
  if (std::any_of(node.outputs.begin(), node.outputs.end(), is_float)) {
    return std::any_of(node.outputs.begin(), node.outputs.end(), counts);
  }
  return std::any_of(node.inputs.begin(), node.inputs.end(), counts);
}

}  // namespace

absl::Status FindHazardFaults(const CheckContext& context, const char* kind,
                              std::vector<Finding>& findings) {
  const std::string name = kind;
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&name](const Row& one) { return name == one.hazard; });
  const HazardContext walker(context.graph(), context.analysis->types);
  std::vector<NodeId> nodes;
  const Hazard* first = nullptr;
  bool lost = false;
  for (const Hazard& hazard : context.analysis->hazards) {
    if (name != hazard.name || !ComputesIn(context, walker, hazard.node, row->range)) continue;
    if (first == nullptr) first = &hazard;
    nodes.push_back(hazard.node);
    lost = lost || absl::StrContains(hazard.why, "lost in the file");
  }
  if (first == nullptr) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, nodes);
  finding.severity = row->severity;
  finding.evidence = first->why;
  finding.remedy = lost ? "convert the float32 original again: what the file has lost, no "
                          "conversion of it brings back"
                        : "compute these nodes in float32";
  finding.mended = !lost;
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
