// The hazards of HazardNames(), where the nodes that have them compute in 16 bits.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"
#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

// What only moves elements loses nothing that its neighbours keep.
bool ComputesIn(const CheckContext& context, const HazardContext& walker, NodeId id,
                const HazardName& hazard) {
  const Node& node = context.graph().node(id);
  if (walker.IsMover(id) && walker.Op(id) != "Transpose") return false;
  const auto counts = [&](ValueId value) {
    const ElementType type = context.TypeOf(value);
    return type == ElementType::kFloat16 ||
           (type == ElementType::kBFloat16 && hazard.in_bfloat16 >= InHalf::kDepends);
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
  const HazardContext walker(context.graph(), context.analysis->types);
  std::vector<NodeId> nodes;
  const Hazard* first = nullptr;
  bool lost = false;
  for (const Hazard& hazard : context.analysis->hazards) {
    if (name != hazard.kind->name) continue;
    if (!ComputesIn(context, walker, hazard.node, *hazard.kind)) continue;
    if (first == nullptr) first = &hazard;
    nodes.push_back(hazard.node);
    lost = lost || absl::StrContains(hazard.why, "lost in the file");
  }
  if (first == nullptr) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, nodes);
  finding.severity =
      first->kind->in_float16 == InHalf::kWrong ? Severity::kError : Severity::kWarning;
  finding.evidence = first->why;
  finding.remedy = lost ? "convert the float32 original again: what the file has lost, no "
                          "conversion of it brings back"
                        : "compute these nodes in float32";
  finding.mended = !lost;
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
