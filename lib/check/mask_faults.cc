// mask_fill_beyond_range: constants that became infinite or NaN on their way to 16 bits.
#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"
#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

// The finite constant beyond 65504 that a Cast makes float16 and thereby infinite.
std::optional<double> OverflowAt(const CheckContext& context, const HazardContext& walker,
                                 NodeId cast) {
  if (context.TypeOf(walker.Output(cast)) != ElementType::kFloat16) return std::nullopt;
  const ValueId input = walker.Input(cast, 0);
  if (!walker.IsFloat(input) || IsHalf(context.TypeOf(input))) return std::nullopt;
  const auto numbers = walker.Constant(input);
  if (!numbers) return std::nullopt;
  for (const double number : *numbers) {
    if (std::isfinite(number) && std::abs(number) >= 65520.0) return number;  // 65520: rounds up
  }
  return std::nullopt;
}

// The first input of the node that is a 16-bit constant with a NaN in it.
ValueId NanConstant(const CheckContext& context, const HazardContext& walker, NodeId id) {
  for (const ValueId input : context.graph().node(id).inputs) {
    if (input == kNone || !IsHalf(context.TypeOf(input)) || walker.Origin(input) != input) continue;
    const auto numbers = walker.Constant(input);
    if (numbers && std::any_of(numbers->begin(), numbers->end(),
                               [](double number) { return std::isnan(number); })) {
      return input;
    }
  }
  return kNone;
}

}  // namespace

absl::Status FindMaskFaults(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings) {
  const HazardContext walker(context.graph(), context.analysis->types);
  std::vector<NodeId> nodes;
  std::string evidence;
  bool finite = true;
  for (const NodeId id : context.graph().order()) {
    const auto overflow = walker.Op(id) == "Cast" ? OverflowAt(context, walker, id) : std::nullopt;
    const ValueId nan = overflow ? kNone : NanConstant(context, walker, id);
    if (!overflow && nan == kNone) continue;
    nodes.push_back(id);
    finite = finite && nan == kNone;
    if (!evidence.empty()) continue;
    evidence = overflow ? absl::StrCat(context.graph().Describe(id), " makes ",
                                       NumberText(*overflow), " float16, where it is infinite")
                        : absl::StrCat(context.graph().Describe(id), " reads the constant ",
                                       walker.QuoteValue(nan), ", which holds NaN");
  }
  if (nodes.empty()) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, nodes);
  finding.evidence = evidence;
  finding.mended = finite;
  finding.remedy = "limit the constant to ±65504 before it becomes float16";
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
