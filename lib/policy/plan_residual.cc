// The residual stream: float32, rescaled or clipped, as the policy says.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/analysis/hazard_context.h"
#include "lib/base/error.h"
#include "lib/policy/plan_maker.h"
#include "lib/policy/residual_bound.h"
#include "lib/policy/subjects.h"

namespace onnxquant {
namespace {

// Measured peaks are those of some text; another may go higher.
constexpr double kMargin = 1.5;

std::string Power(int exponent) {
  return absl::StrCat("2^", exponent);
}

std::string Count(std::size_t count, const char* one, const char* many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

}  // namespace

const ResidualSetting* PlanMaker::ResidualAt(NodeId id) const {
  const std::optional<ResidualSetting>& setting = resolved_[static_cast<std::size_t>(id)].residual;
  return setting ? &*setting : nullptr;
}

// The reason that set `residual` last.
const Reason* PlanMaker::ResidualReason(NodeId id) const {
  const Reasons& why = resolved_[static_cast<std::size_t>(id)].why;
  const auto last = std::find_if(why.rbegin(), why.rend(), [](const Reason& reason) {
    return reason.effect().find("residual: ") != std::string::npos;
  });
  return last == why.rend() ? nullptr : &*last;
}

absl::Status PlanMaker::PlanResidual() {
  const ResidualStream& stream = analysis_.residual;
  NodeId rescales = kNone;
  std::size_t clipped = 0;
  std::size_t beyond = 0;
  std::size_t measured = 0;
  double limit = 0;
  bool any = false;
  for (const NodeId id : stream.adds) {
    const ResidualSetting* setting = ResidualAt(id);
    if (setting == nullptr) continue;
    any = true;
    if (setting->kind == ResidualSetting::Kind::kClip) {
      if (IsSkipNorm(analysis_.graph, id)) {
        return ModelError(origin_, ": ", ResidualReason(id)->source(),
                          " clips the residual sums, but ", analysis_.graph.Describe(id),
                          " adds and normalizes in one: there is no sum to clamp; use 'residual: "
                          "{rescale: auto}' or 'residual: float32'");
      }
      plan_.stream.clips[id] = setting->limit;
      limit = setting->limit;
      ++clipped;
      const std::optional<double> peak = PeakOf(context_, id);
      measured += peak ? 1 : 0;
      beyond += peak && *peak > setting->limit ? 1 : 0;
    }
    if (setting->kind != ResidualSetting::Kind::kRescale) continue;
    if (rescales != kNone && *ResidualAt(rescales) != *setting) {
      return PolicyError(ResidualReason(id)->source(), " sets residual: ", ToString(*setting),
                         " for ", analysis_.graph.Describe(id), ", where ",
                         ResidualReason(rescales)->source(), " sets ",
                         ToString(*ResidualAt(rescales)),
                         " for another part of the same stream; it has one scale");
    }
    rescales = id;
  }
  const auto asked = std::find_if(resolved_.begin(), resolved_.end(),
                                  [](const Resolved& node) { return node.residual.has_value(); });
  if (!any && asked != resolved_.end()) {
    const auto id = static_cast<NodeId>(asked - resolved_.begin());
    return ModelError(origin_, ": ", ResidualReason(id)->source(),
                      " sets residual: ", ToString(*asked->residual), ", but ",
                      stream.adds.empty() ? "no residual Add was found in the model"
                                          : "speaks of none of its residual sums",
                      "; 'onnxquant inspect' shows the role residual");
  }
  if (clipped > 0) {
    plan_.residual = absl::StrCat(Count(clipped, "sum", "sums"),
                                  " of the residual stream clipped to ±", NumberText(limit));
    if (measured > 0) {
      absl::StrAppend(&plan_.residual, ", which ", beyond, " of ", measured,
                      " measured ones exceed");
    }
  }
  return rescales == kNone ? absl::OkStatus() : Rescale(rescales);
}

absl::Status PlanMaker::Rescale(NodeId asked) {
  const ResidualStream& stream = analysis_.residual;
  const std::string& source = ResidualReason(asked)->source();
  if (!stream.refusal.empty()) {
    return ModelError(origin_, ": ", source, " rescales the residual stream, but ", stream.refusal,
                      "; keep the stream in float32 instead: 'residual: float32'");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const Scale scale, ChooseScale(asked));
  const int k = scale.exponent;
  rescaled_ = k != 0;
  if (k == 0) {
    plan_.residual = absl::StrCat("the residual stream keeps its scale: ", scale.why);
    return absl::OkStatus();
  }
  const std::string by = absl::StrCat("the residual stream × ", Power(-k), " (", source, ")");
  for (const ResidualStream::ScaledUse& constant : stream.constants) {
    exponents_[constant.use] = -k * constant.degree;
  }
  for (const ResidualStream::ScaledNorm& norm : stream.norms) {
    NodePlan& plan = PlanOf(norm.node);
    const int exponent = -2 * k * norm.degree;
    if (exponent != 0) plan_.stream.epsilon_exponents[norm.node] = exponent;
    plan.why.push_back({by, absl::StrCat("epsilon: × ", Power(exponent))});
  }
  for (const Use& slot : stream.multiplied) {
    NodePlan& plan = PlanOf(slot.node);
    plan_.stream.input_exponents[{slot.node, slot.input}] = -k;
    const ValueId value =
        analysis_.graph.node(slot.node).inputs[static_cast<std::size_t>(slot.input)];
    plan.why.push_back(
        {by, absl::StrCat("a Mul of '", analysis_.graph.value(value).name, "' by ", Power(-k))});
  }
  KeepSmallEpsilons(k, by);
  plan_.residual =
      absl::StrCat("residual stream × ", Power(-k), " (", scale.why,
                   "): ", Count(stream.constants.size(), "constant", "constants"), " and ",
                   Count(stream.norms.size(), "epsilon", "epsilons"), " scaled, ",
                   Count(stream.multiplied.size(), "Mul", "Muls"), " put in");
  return absl::OkStatus();
}

absl::StatusOr<PlanMaker::Scale> PlanMaker::ChooseScale(NodeId asked) const {
  const ResidualSetting& setting = *ResidualAt(asked);
  if (setting.exponent > 0) return Scale{setting.exponent, "as the policy says"};
  const ResidualStream& stream = analysis_.residual;
  const auto in_half = [this](NodeId id) { return PlanOf(id).compute == ElementType::kFloat16; };
  if (std::none_of(stream.adds.begin(), stream.adds.end(), in_half)) {
    return Scale{0, "its sums are not computed in float16"};
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const StreamPeak peak, PeakOfStream(asked));
  double limit = kHalfLargest;
  std::string why = absl::StrCat(peak.why, ", float16 holds 65504");
  const bool half_norm = std::any_of(stream.norms.begin(), stream.norms.end(),
                                     [&](const auto& norm) { return in_half(norm.node); });
  if (half_norm && stream.width > 0) {
    limit = std::min(limit, std::sqrt(kHalfLargest * static_cast<double>(stream.width)));
    why = absl::StrCat(peak.why, ", float16 norms over ", stream.width, " elements hold ",
                       absl::StrFormat("%.0f", limit));
  }
  const double excess = peak.peak * peak.margin / limit;
  const int k = excess <= 1 ? 0 : static_cast<int>(std::ceil(std::log2(excess)));
  if (k > ResidualSetting::kLargestExponent) {
    return ModelError(origin_, ": ", ResidualReason(asked)->source(),
                      " rescales the residual stream, but ", why, ": a scale of ", Power(-k),
                      " would leave float16 no precision; use 'residual: float32'");
  }
  return Scale{k, why};
}

// From measured ranges where there are some, else from the weights.
absl::StatusOr<PlanMaker::StreamPeak> PlanMaker::PeakOfStream(NodeId asked) const {
  const Graph& graph = analysis_.graph;
  const std::string& source = ResidualReason(asked)->source();
  if (evidence_.ranges) {
    StreamPeak result;
    std::string highest;
    for (const ValueId value : analysis_.residual.values) {
      const std::string& name = graph.value(value).name;
      const auto measured = evidence_.ranges->peaks.find(name);
      if (measured == evidence_.ranges->peaks.end()) {
        return UsageError(evidence_.ranges->file, ": holds no peak of '", name,
                          "', which belongs to the residual stream of ", origin_,
                          "; measure the ranges of this very model, or say 'rescale: K'");
      }
      if (measured->second < result.peak) continue;
      result.peak = measured->second;
      highest = name;
    }
    result.margin = kMargin;
    result.why = absl::StrCat("measured peak ", absl::StrFormat("%.4g", result.peak), " in '",
                              highest, "', margin ", kMargin);
    return result;
  }
  const std::string remedy =
      "; measure them ('onnxquant ranges') and give --ranges FILE, or say 'rescale: K' with a K of "
      "your own";
  if (evidence_.model == nullptr) {
    return PolicyError(source, " says 'rescale: auto', which needs measured ranges", remedy);
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const StreamBound bound,
                             BoundStream(graph, analysis_.residual, *evidence_.model));
  if (!bound.unbounded.empty()) {
    return PolicyError(source, " says 'rescale: auto', which needs measured ranges for ", origin_,
                       ": the weights alone put no bound on '", bound.unbounded,
                       "', which joins the residual stream without a norm", remedy);
  }
  StreamPeak result;
  result.peak = bound.peak;
  result.why = absl::StrCat("bound from the weights ", absl::StrFormat("%.4g", bound.peak));
  return result;
}

// The epsilon of a decomposed norm is a constant of the graph: scaled, it can vanish in float16.
void PlanMaker::KeepSmallEpsilons(int k, const std::string& by) {
  if (plan_.half != ElementType::kFloat16) return;
  const HazardContext context(analysis_.graph, analysis_.types);
  std::string small;
  for (const ResidualStream::ScaledUse& constant : analysis_.residual.constants) {
    const WeightUse& use = analysis_.weight_uses[constant.use];
    const std::string op = analysis_.graph.OpName(use.reader.node);
    if (op != "Add" && op != "Max") continue;
    const std::optional<double> epsilon = context.Scalar(use.weight);
    if (!epsilon || PlanOf(use.reader.node).compute != ElementType::kFloat16) continue;
    const double scaled = std::fabs(std::ldexp(*epsilon, -k * constant.degree));
    if (scaled == 0 || scaled >= kHalfSmallestNormal) continue;
    small = absl::StrCat("epsilon ", NumberText(*epsilon), " becomes ", NumberText(scaled),
                         ", below float16's smallest normal number");
    KeepFloat32(use.reader.node, {by, absl::StrCat("compute: float32: ", small)});
  }
  if (small.empty()) return;
  for (const NodeId id : analysis_.residual.chains) {
    KeepFloat32(id, {by, absl::StrCat("compute: float32: ", small)});
  }
}

void PlanMaker::KeepFloat32(NodeId id, const Reason& reason) {
  NodePlan& plan = PlanOf(id);
  if (!plan.changes || !IsHalf(plan.compute)) return;
  plan.compute = ElementType::kFloat;
  plan.why.push_back(reason);
  floating_[static_cast<std::size_t>(id)] = false;
}

// Whether something reads the value in a half type.
bool PlanMaker::ReachesHalf(ValueId value) const {
  MoverEdge edge;
  AddReaders(value, edge);
  return std::any_of(edge.readers.begin(), edge.readers.end(), [](const MoverEdge::End& reader) {
    return reader.open == kNone && IsHalf(reader.type);
  });
}

// A clamp that kept the sums of the stream within float16 distorts them where they need it no more.
void PlanMaker::TakeClipsOut() {
  std::size_t taken = 0;
  double limit = 0;
  for (const StreamClip& clip : analysis_.residual.clips) {
    const NodePlan& sum = PlanOf(clip.sum);
    NodePlan& plan = PlanOf(clip.clip);
    const ValueId clipped = analysis_.graph.node(clip.clip).outputs[0];
    const bool clipped_sum = plan_.stream.clips.contains(clip.sum);
    const bool fits = rescaled_ || clipped_sum;
    const bool needed = !fits && (IsHalf(sum.compute) || ReachesHalf(clipped));
    const bool kept = resolved_[static_cast<std::size_t>(clip.clip)].keep;
    if (needed || kept || !plan.changes || analysis_.graph.value(clipped).graph_output) continue;
    transparent_[static_cast<std::size_t>(clip.clip)] = true;
    limit = std::max(limit, clip.limit);
    ++taken;
    const char* because = rescaled_     ? "the stream is rescaled to fit"
                          : clipped_sum ? "the policy clips the sum itself"
                                        : "the sum that it clamps is computed in float32";
    plan.why.push_back(
        {because, absl::StrCat("the clamp to ±", NumberText(clip.limit), ": taken out")});
  }
  if (taken == 0) return;
  absl::StrAppend(&plan_.residual, plan_.residual.empty() ? "" : "; ", taken,
                  taken == 1 ? " Clip" : " Clips", " of its sums to ±", NumberText(limit),
                  " taken out");
}

}  // namespace onnxquant
