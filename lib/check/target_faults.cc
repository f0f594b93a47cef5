// cannot_run: what the target has no kernel for, or refuses. (mixed_norm has a row of its own.)
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/check/checkers.h"
#include "lib/targets/find_lacks.h"

namespace onnxquant {
namespace {

constexpr char kMixedNorm[] = "mixed_norm";

// Those of one severity, as one finding for each thing that is found.
void AddFindings(const CheckContext& context, const char* kind, const std::vector<Lack>& lacks,
                 std::vector<Finding>& findings) {
  std::vector<std::string> seen;
  for (const Lack& first : lacks) {
    const std::string key = absl::StrCat(first.fact, first.found);
    if (first.fact == kMixedNorm || std::find(seen.begin(), seen.end(), key) != seen.end()) {
      continue;
    }
    seen.push_back(key);
    std::vector<NodeId> nodes;
    for (const Lack& lack : lacks) {
      if (absl::StrCat(lack.fact, lack.found) == key) nodes.push_back(lack.node);
    }
    Finding finding = FindingOf(context, kind, nodes);
    finding.severity = first.beside ? Severity::kWarning : Severity::kError;
    finding.evidence =
        absl::StrCat(context.graph().Describe(first.node), ": found ", first.found, "; ",
                     context.target.ToString(), " takes ", first.expected, " ('", first.says, "')");
    finding.remedy = absl::StrCat("have a policy say: ", first.remedy);
    findings.push_back(std::move(finding));
  }
}

}  // namespace

absl::Status FindTargetFaults(const CheckContext& context, const char* kind,
                              std::vector<Finding>& findings) {
  const std::vector<PlaceLacks> places =
      FindLacks(context.graph(), context.analysis->types, context.target);
  const auto best = std::min_element(
      places.begin(), places.end(),
      [](const PlaceLacks& a, const PlaceLacks& b) { return a.refused.size() < b.refused.size(); });
  AddFindings(context, kind, best->refused, findings);
  return absl::OkStatus();
}

}  // namespace onnxquant
