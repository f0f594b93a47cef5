#include "lib/policy/plan_residual.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/analysis/hazard_context.h"
#include "lib/base/error.h"
#include "lib/policy/stream_scale.h"
#include "lib/policy/subjects.h"

namespace onnxquant {
namespace {

std::string Count(std::size_t count, const char* one, const char* many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

// Those that speak of sums of the stream, in its order.
std::vector<const ResidualRequest*> OfSums(const std::vector<NodeId>& sums,
                                           const std::vector<ResidualRequest>& requests) {
  std::vector<const ResidualRequest*> found;
  for (const NodeId id : sums) {
    const auto it = std::lower_bound(
        requests.begin(), requests.end(), id,
        [](const ResidualRequest& request, NodeId node) { return request.node < node; });
    if (it != requests.end() && it->node == id) found.push_back(&*it);
  }
  return found;
}

// Sums that are clipped.
struct Clipped {
  std::size_t sums = 0;
  std::size_t measured = 0;
  std::size_t beyond = 0;  // of the measured ones
  double limit = 0;
};

absl::Status Clip(const PlanContext& context, const ResidualRequest& request, Clipped& clipped,
                  OutputPlan& plan) {
  if (IsSkipNorm(context.graph(), request.node)) {
    return ModelError(context.origin, ": ", request.reason.source(),
                      " clips the residual sums, but ", context.graph().Describe(request.node),
                      " adds and normalizes in one: there is no sum to clamp; use 'residual: "
                      "{rescale: auto}' or 'residual: float32'");
  }
  const double limit = request.setting.limit;
  plan.stream.clips[request.node] = limit;
  const std::optional<double> peak = PeakOf(context, request.node);
  ++clipped.sums;
  clipped.measured += peak ? 1 : 0;
  clipped.beyond += peak && *peak > limit ? 1 : 0;
  clipped.limit = limit;
  return absl::OkStatus();
}

std::string Describe(const Clipped& clipped) {
  if (clipped.sums == 0) return "";
  std::string text =
      absl::StrCat(Count(clipped.sums, "sum", "sums"), " of the residual stream clipped to ±",
                   NumberText(clipped.limit));
  if (clipped.measured > 0) {
    absl::StrAppend(&text, ", which ", clipped.beyond, " of ", clipped.measured,
                    " measured ones exceed");
  }
  return text;
}

// Changes the plan, and what the result says of it, by one factor of the stream.
class Rescaler {
 public:
  // The stream is multiplied by 2^-k, which is because of `source`.
  Rescaler(const PlanContext& context, int k, const std::string& source, OutputPlan& plan,
           ResidualResult& result)
      : context_(context),
        stream_(context.analysis.residual),
        k_(k),
        by_(absl::StrCat("the residual stream × ", PowerOfTwo(-k), " (", source, ")")),
        plan_(plan),
        result_(result) {}

  void Run() {
    result_.rescaled = true;
    for (const ResidualStream::ScaledUse& constant : stream_.constants) {
      result_.exponents[constant.use] = -k_ * constant.degree;
    }
    for (const ResidualStream::ScaledNorm& norm : stream_.norms) {
      const int exponent = -2 * k_ * norm.degree;
      if (exponent != 0) plan_.stream.epsilon_exponents[norm.node] = exponent;
      Say(norm.node, absl::StrCat("epsilon: × ", PowerOfTwo(exponent)));
    }
    for (const Use& slot : stream_.multiplied) {
      const Graph& graph = context_.graph();
      const ValueId value = graph.node(slot.node).inputs[static_cast<std::size_t>(slot.input)];
      plan_.stream.input_exponents[{slot.node, slot.input}] = -k_;
      Say(slot.node, absl::StrCat("a Mul of '", graph.value(value).name, "' by ", PowerOfTwo(-k_)));
    }
    KeepSmallEpsilons();
  }

 private:
  void Say(NodeId id, const std::string& effect) { plan_.nodes[id].why.push_back({by_, effect}); }

  // The epsilon of a decomposed norm is a constant of the graph: scaled, it can vanish in float16.
  void KeepSmallEpsilons() {
    if (context_.half != ElementType::kFloat16) return;
    HazardContext constants(context_.graph(), context_.analysis.types);
    std::string small;
    for (const ResidualStream::ScaledUse& constant : stream_.constants) {
      const WeightUse& use = context_.analysis.weight_uses[constant.use];
      const std::string& op = context_.graph().OpName(use.reader.node);
      if (op != "Add" && op != "Max") continue;
      const std::optional<double> epsilon = constants.Scalar(use.weight);
      if (!epsilon || plan_.nodes[use.reader.node].compute != ElementType::kFloat16) continue;
      const double scaled = std::fabs(std::ldexp(*epsilon, -k_ * constant.degree));
      if (scaled == 0 || scaled >= kHalfSmallestNormal) continue;
      small = absl::StrCat("epsilon ", NumberText(*epsilon), " becomes ", NumberText(scaled),
                           ", below float16's smallest normal number");
      KeepFloat32(use.reader.node, small);
    }
    if (small.empty()) return;
    for (const NodeId id : stream_.chains) KeepFloat32(id, small);
  }

  void KeepFloat32(NodeId id, const std::string& because) {
    NodePlan& node = plan_.nodes[id];
    if (!node.changes || !IsHalf(node.compute)) return;
    node.compute = ElementType::kFloat;
    Say(id, absl::StrCat("compute: float32: ", because));
    result_.float32.push_back(id);
  }

  const PlanContext& context_;
  const ResidualStream& stream_;
  const int k_;
  const std::string by_;
  OutputPlan& plan_;
  ResidualResult& result_;
};

absl::Status Rescale(const PlanContext& context, const ResidualRequest& request, OutputPlan& plan,
                     ResidualResult& result) {
  const ResidualStream& stream = context.analysis.residual;
  const std::string& source = request.reason.source();
  if (!stream.refusal.empty()) {
    return ModelError(context.origin, ": ", source, " rescales the residual stream, but ",
                      stream.refusal, "; keep the stream in float32 instead: 'residual: float32'");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const StreamScale scale, ChooseScale(context, request, plan.nodes));
  if (scale.exponent == 0) {
    plan.residual = absl::StrCat("the residual stream keeps its scale: ", scale.why);
    return absl::OkStatus();
  }
  Rescaler(context, scale.exponent, source, plan, result).Run();
  plan.residual =
      absl::StrCat("residual stream × ", PowerOfTwo(-scale.exponent), " (", scale.why,
                   "): ", Count(stream.constants.size(), "constant", "constants"), " and ",
                   Count(stream.norms.size(), "epsilon", "epsilons"), " scaled, ",
                   Count(stream.multiplied.size(), "Mul", "Muls"), " put in");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ResidualResult> PlanResidual(const PlanContext& context,
                                            const std::vector<ResidualRequest>& requests,
                                            OutputPlan& plan) {
  ResidualResult result;
  result.exponents.assign(context.analysis.weight_uses.size(), 0);
  const std::vector<NodeId>& sums = context.analysis.residual.adds;
  const std::vector<const ResidualRequest*> of_sums = OfSums(sums, requests);
  if (of_sums.empty() && !requests.empty()) {
    const ResidualRequest& request = requests.front();
    return ModelError(context.origin, ": ", request.reason.source(),
                      " sets residual: ", ToString(request.setting), ", but ",
                      sums.empty() ? "no residual Add was found in the model"
                                   : "speaks of none of its residual sums",
                      "; 'onnxquant inspect' shows the role residual");
  }
  Clipped clipped;
  const ResidualRequest* rescales = nullptr;
  for (const ResidualRequest* request : of_sums) {
    if (request->setting.kind == ResidualSetting::Kind::kClip) {
      ONNXQUANT_RETURN_IF_ERROR(Clip(context, *request, clipped, plan));
    }
    if (request->setting.kind != ResidualSetting::Kind::kRescale) continue;
    if (rescales != nullptr && rescales->setting != request->setting) {
      return PolicyError(request->reason.source(), " sets residual: ", ToString(request->setting),
                         " for ", context.graph().Describe(request->node), ", where ",
                         rescales->reason.source(), " sets ", ToString(rescales->setting),
                         " for another part of the same stream; it has one scale");
    }
    rescales = request;
  }
  plan.residual = Describe(clipped);
  if (rescales != nullptr) {
    ONNXQUANT_RETURN_IF_ERROR(Rescale(context, *rescales, plan, result));
  }
  return result;
}

}  // namespace onnxquant
