// residual_in_half, range_lost_and_back and clipped_residual: sums that float16 cannot hold.
#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/analysis/hazard_context.h"
#include "lib/check/checkers.h"

namespace onnxquant {
namespace {

constexpr int kLongestWay = 8;
constexpr double kLeastClip = 8192;  // smaller limits are activations' own

std::string More(std::size_t count, const char* what) {
  return count > 1 ? absl::StrCat(" and ", count - 1, " more ", what) : "";
}

// The largest number that the stream may hold where it is float16, and why.
struct StreamLimit {
  double number = kHalfLargest;
  std::string why = "float16 ends at 65504";
};

StreamLimit LimitOf(const Stream& stream) {
  StreamLimit limit;
  if (stream.half_norm_width <= 0) return limit;
  const double squares = std::sqrt(kHalfLargest * static_cast<double>(stream.half_norm_width));
  if (squares >= limit.number) return limit;
  limit.number = squares;
  limit.why = absl::StrCat("float16 norms over ", stream.half_norm_width, " elements hold ",
                           absl::StrFormat("%.0f", squares), ", float16 itself 65504");
  return limit;
}

constexpr char kMeasure[] =
    "measure it: 'onnxquant ranges MODEL -o ranges.json', best on the float32 model, then check "
    "with --ranges ranges.json";

const StreamSum& Largest(const std::vector<const StreamSum*>& sums) {
  return **std::max_element(sums.begin(), sums.end(), [](const StreamSum* a, const StreamSum* b) {
    return a->measured.value_or(0) < b->measured.value_or(0);
  });
}

std::vector<NodeId> NodesOf(const std::vector<const StreamSum*>& sums) {
  std::vector<NodeId> nodes;
  for (const StreamSum* sum : sums) nodes.push_back(sum->node);
  return nodes;
}

// The wide value that was narrowed to float16 before `cast` widened it again; kNone if none was.
ValueId NarrowedBefore(const HazardContext& context, NodeId cast) {
  ValueId value = context.Input(cast, 0);
  for (int i = 0; i < kLongestWay && value != kNone; ++i) {
    const NodeId node = context.Producer(value);
    if (node == kNone || !context.IsMover(node)) return kNone;
    value = context.Input(node, 0);
    const ElementType type = context.TypeOf(value);
    if (!IsFloat(type)) return kNone;
    if (!IsHalf(type)) return value;
  }
  return kNone;
}

// Whether a residual sum or a norm reads the value, also moved.
bool FeedsStream(const CheckContext& context, const HazardContext& walker, ValueId value) {
  bool found = false;
  walker.Follow(value, kLongestWay, [&](const Use& use, const HazardContext::Path&) {
    const Role role = context.analysis->roles.nodes[use.node].role;
    found = found || role == Role::kResidual || role == Role::kNorm ||
            IsScaleInvariantNorm(context.graph(), use.node);
    return !found && use.input == 0 && walker.IsMover(use.node);
  });
  return found;
}

// The limit of a symmetric Clip, or of a Min after a Max (or the other way round) that `use`
// begins.
struct Clamp {
  NodeId node = kNone;
  double limit = 0;
};

// In a half type only: in float32 it is a part of the model.
std::optional<Clamp> ClampAt(const HazardContext& context, const Use& use) {
  if (!IsHalf(context.TypeOf(context.Output(use.node)))) return std::nullopt;
  std::optional<double> low;
  std::optional<double> high;
  if (context.Op(use.node) == "Clip" && use.input == 0) {
    low = context.ClipLimit(use.node, "min", 1);
    high = context.ClipLimit(use.node, "max", 2);
  } else if (context.IsOneOf(use.node, {"Min", "Max"})) {
    const bool first_is_max = context.Op(use.node) == "Max";
    (first_is_max ? low : high) = context.OtherScalar(use);
    const ValueId between = context.Output(use.node);
    if (between == kNone) return std::nullopt;
    for (const Use& next : context.graph().value(between).uses) {
      if (context.Op(next.node) != (first_is_max ? "Min" : "Max")) continue;
      (first_is_max ? high : low) = context.OtherScalar(next);
    }
  }
  if (!low || !high || *low != -*high) return std::nullopt;
  if (*high < kLeastClip || *high > kHalfLargest) return std::nullopt;
  return Clamp{use.node, *high};
}

}  // namespace

absl::Status FindHalfResiduals(const CheckContext& context, const char* kind,
                               std::vector<Finding>& findings) {
  const StreamLimit limit = LimitOf(context.stream);
  std::vector<const StreamSum*> beyond;
  std::vector<const StreamSum*> unknown;
  for (const StreamSum& sum : context.stream.sums) {
    if (sum.type != ElementType::kFloat16) continue;
    const Fit fit = FitOf(context.stream, sum, limit.number);
    if (fit == Fit::kExceeds) beyond.push_back(&sum);
    if (fit == Fit::kUnknown) unknown.push_back(&sum);
  }
  const std::vector<const StreamSum*>& found = beyond.empty() ? unknown : beyond;
  if (found.empty()) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, NodesOf(found));
  const StreamSum& shown = Largest(found);
  const std::string subject = absl::StrCat("'", PlaceName(context.graph(), shown.node), "'",
                                           More(found.size(), "sums of the residual stream"),
                                           found.size() > 1 ? " are" : " is", " float16, and ");
  finding.evidence =
      absl::StrCat(subject, shown.measured ? "it " : "the stream ",
                   Magnitude(context.stream, shown), "; ", limit.why,
                   beyond.empty() ? ""
                                  : ": beyond it sums are infinite, and the norms after them "
                                    "NaN");
  if (beyond.empty()) {
    finding.severity = Severity::kWarning;
    finding.remedy = kMeasure;
  } else {
    finding.remedy = "compute the residual sums in float32, or rescale the stream";
  }
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

absl::Status FindLostRanges(const CheckContext& context, const char* kind,
                            std::vector<Finding>& findings) {
  const HazardContext walker(context.graph(), context.analysis->types);
  std::vector<const StreamSum*> lost;
  bool proved = false;  // some sum is known to be too large
  for (const NodeId id : context.graph().order()) {
    if (walker.Op(id) != "Cast") continue;
    if (context.TypeOf(walker.Input(id, 0)) != ElementType::kFloat16) continue;
    const ValueId widened = walker.Output(id);
    if (!walker.IsFloat(widened) || IsHalf(context.TypeOf(widened))) continue;
    const ValueId wide = NarrowedBefore(walker, id);
    const auto member = context.stream.sum_of.find(wide);
    if (member == context.stream.sum_of.end()) continue;
    const StreamSum& sum = context.stream.sums[member->second];
    const Fit fit = FitOf(context.stream, sum, kHalfLargest);
    if (fit == Fit::kFits) continue;
    if (std::find(lost.begin(), lost.end(), &sum) != lost.end()) continue;
    if (!FeedsStream(context, walker, widened)) continue;
    lost.push_back(&sum);
    proved = proved || fit == Fit::kExceeds;
  }
  if (lost.empty()) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, NodesOf(lost));
  const StreamSum& shown = Largest(lost);
  finding.evidence = absl::StrCat(
      "'", PlaceName(context.graph(), shown.node), "'", More(lost.size(), "residual sums"),
      lost.size() > 1 ? " are" : " is", " computed in ", NameOf(shown.type),
      ", but Cast to float16 and back before the next sum or norm reads it; the stream ",
      Magnitude(context.stream, shown), ", float16 ends at 65504");
  finding.severity = proved ? Severity::kError : Severity::kWarning;
  finding.remedy =
      proved ? "carry the residual stream from sum to sum in float32, without Casts between"
             : kMeasure;
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

absl::Status FindClippedResiduals(const CheckContext& context, const char* kind,
                                  std::vector<Finding>& findings) {
  const HazardContext walker(context.graph(), context.analysis->types);
  std::vector<NodeId> clips;
  std::string evidence;
  bool proved = false;  // some sum is known to be beyond its limit
  for (const NodeId id : context.graph().order()) {
    const ValueIds& inputs = context.graph().node(id).inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto member = context.stream.sum_of.find(inputs[i]);
      if (member == context.stream.sum_of.end()) continue;
      const StreamSum& sum = context.stream.sums[member->second];
      const std::optional<Clamp> clamp = ClampAt(walker, {id, static_cast<int>(i)});
      if (!clamp) continue;
      const Fit fit = FitOf(context.stream, sum, clamp->limit);
      if (fit == Fit::kFits) continue;
      proved = proved || fit == Fit::kExceeds;
      clips.push_back(clamp->node);
      if (!evidence.empty()) continue;
      evidence = absl::StrCat(
          "'", PlaceName(context.graph(), clamp->node), "' clamps the residual sum ",
          walker.QuoteValue(sum.value), " to ±", NumberText(clamp->limit), "; the stream ",
          Magnitude(context.stream, sum), ". What is beyond is cut off: finite, but wrong");
    }
  }
  if (clips.empty()) return absl::OkStatus();
  Finding finding = FindingOf(context, kind, clips);
  finding.evidence = evidence;
  finding.severity = proved ? Severity::kError : Severity::kWarning;
  finding.remedy =
      proved ? "compute the residual sums in float32, where they need no Clip" : kMeasure;
  findings.push_back(std::move(finding));
  return absl::OkStatus();
}

}  // namespace onnxquant
