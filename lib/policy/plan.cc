#include "lib/policy/plan.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/policy/half_type.h"
#include "lib/policy/plan_casts.h"
#include "lib/policy/plan_clips.h"
#include "lib/policy/plan_coded_readers.h"
#include "lib/policy/plan_fills.h"
#include "lib/policy/plan_io.h"
#include "lib/policy/plan_islands.h"
#include "lib/policy/plan_levels.h"
#include "lib/policy/plan_movers.h"
#include "lib/policy/plan_nodes.h"
#include "lib/policy/plan_repacks.h"
#include "lib/policy/plan_residual.h"
#include "lib/policy/plan_rope.h"
#include "lib/policy/plan_stored_movers.h"
#include "lib/policy/plan_types.h"
#include "lib/policy/plan_weights.h"
#include "lib/policy/rope_fits.h"
#include "lib/policy/unmatched.h"
#include "lib/policy/weight_lattices.h"
#include "lib/schema/node_check.h"

namespace onnxquant {

absl::StatusOr<Analysis> Analyze(const onnx::ModelProto& model, const std::string& origin) {
  ONNXQUANT_ASSIGN_OR_RETURN(Graph graph, Graph::Build(model, origin));
  ONNXQUANT_RETURN_IF_ERROR(CheckNodes(model, origin));
  ONNXQUANT_ASSIGN_OR_RETURN(ValueTypes types, InferTypes(graph, origin));
  TraitsTable traits;
  TraitsTable bfloat16_traits;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    traits.Add(TraitsOf(graph, id, types, ElementType::kFloat16));
    bfloat16_traits.Add(TraitsOf(graph, id, types, ElementType::kBFloat16));
  }
  Roles roles = FindRoles(graph);
  std::vector<WeightUse> uses = FindWeightUses(graph, types);
  std::vector<Hazard> hazards = FindHazards(graph, types);
  ResidualStream residual = FindResidualStream(graph, types, roles, uses);
  RopeCaches rope = FindRopeCaches(graph, uses);
  std::vector<CodedWeight> coded_weights = FindCodedWeights(graph, types);
  MaskLimits mask_limits = FindMaskLimits(graph, types);
  return Analysis{std::move(graph),           std::move(types),      std::move(traits),
                  std::move(bfloat16_traits), std::move(roles),      std::move(uses),
                  std::move(hazards),         std::move(residual),   std::move(rope),
                  std::move(coded_weights),   std::move(mask_limits)};
}

namespace {

// The data movers whose type no stage has decided yet.
IdVector<bool> StillOpen(const ResolvedNodes& resolved, const ResidualResult& residual,
                         const StoredMovers& stored) {
  IdVector<bool> open = resolved.movers;
  for (const NodeId id : residual.float32) open[id] = false;
  for (const NodeId id : stored.nodes) open[id] = false;
  return open;
}

// The stages of planning, in order. Each has a file, whose header says what it decides; a stage
// reads what those before it have decided, and what it adds to the plan's nodes overrides them.
absl::StatusOr<OutputPlan> MakePlan(const PlanContext& context, const std::string& policy,
                                    SettingsResolver& resolver) {
  OutputPlan plan;
  plan.dtype = context.output.dtype;
  plan.policy = policy;
  plan.compute = context.output.defaults.compute.value_or(ElementType::kFloat);
  plan.half = context.half;
  ResolvedNodes resolved = ResolveNodes(context, resolver, plan);
  KeepAngles(context, resolved, plan);
  plan.io = PlanIo(context, resolver);
  const IoTypes io = TypesWith(context, plan.io);
  ONNXQUANT_ASSIGN_OR_RETURN(const ResidualResult residual,
                             PlanResidual(context, resolved.residual, plan));
  const SeenThrough casts = FindOpenCasts(context, resolved, plan);
  const SeenThrough seen_through =
      TakeClipsOut(context, resolved, residual.rescaled, io, casts, plan);
  DecideOutputCasts(context, resolved, io, plan);
  StoredMovers stored = DecideStoredMovers(context, residual.exponents, resolver, plan);
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<NodeId> readers,
                             DecideCodedReaders(context, resolver, plan));
  stored.nodes.insert(stored.nodes.end(), readers.begin(), readers.end());
  const IdVector<bool> movers = StillOpen(resolved, residual, stored);
  const Neighbourhood around{context, seen_through, io};
  KeepIslands(around, resolved.by_rule, movers, stored.values, plan);
  DecideDataMovers(around, movers, stored.values, plan);
  ValueNames names = NamesOfValues(context.graph());
  PlanRope(context, resolver, names, plan);
  PlanWeights(context, residual.exponents, resolver, names, plan);
  PlanRepacks(context, resolver, names, plan);
  SettleRope(context, plan);
  LimitFills(context, plan);
  LowerSharedLevels(context, plan);
  SettleCasts(context, seen_through, io, names, plan);
  plan.types = TypesOfValues(context, io, plan);
  return plan;
}

// A method that reads moments has some to read, where it is not asked for only then.
absl::Status CheckCalibrated(const Policy& policy, const std::vector<std::string>& dtypes,
                             const Evidence& evidence) {
  if (evidence.calibration) return absl::OkStatus();
  const auto wanted = [&dtypes](const std::string& dtype) {
    return dtypes.empty() || std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
  };
  const auto reads = [](const Settings& set) {
    return set.method && methods::RowOf(*set.method).reads_moments;
  };
  const auto error = [](const SourceMark& mark) {
    return PolicyError(mark.ToString(),
                       ": this needs statistics of what the weights meet; make them ('onnxquant "
                       "calibrate MODEL -o FILE') and give --calibration FILE");
  };
  for (const OutputSpec& output : policy.outputs) {
    if (wanted(output.dtype) && reads(output.defaults)) return error(output.mark);
  }
  for (const Rule& rule : policy.rules) {
    const bool only_then = rule.match.calibrated == true && rule.optional;
    const bool asks = reads(rule.set) || rule.match.calibrated.has_value();
    const bool applies =
        std::any_of(policy.outputs.begin(), policy.outputs.end(), [&](const OutputSpec& output) {
          return wanted(output.dtype) && AppliesTo(rule, output.dtype);
        });
    if (asks && applies && !only_then) return error(rule.mark);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<OutputPlan>> MakePlans(const Analysis& analysis, const Policy& policy,
                                                  const std::vector<std::string>& dtypes,
                                                  const std::string& origin,
                                                  const Evidence& evidence) {
  ONNXQUANT_RETURN_IF_ERROR(CheckCalibrated(policy, dtypes, evidence));
  for (const Rule& rule : policy.rules) {
    if (rule.match.peak_over && !evidence.ranges) {
      return PolicyError(rule.mark.ToString(),
                         ": 'range' needs measured ranges; measure them "
                         "('onnxquant ranges') and give --ranges FILE");
    }
  }
  std::vector<std::string> known;
  for (const OutputSpec& output : policy.outputs) known.push_back(output.dtype);
  for (const std::string& dtype : dtypes) {
    if (std::find(known.begin(), known.end(), dtype) == known.end()) {
      return UsageError("policy ", policy.name, " has no output '", dtype, "'; it has ",
                        absl::StrJoin(known, ", "), DidYouMean(dtype, known));
    }
  }
  const UsesByReader uses_by_reader(analysis.weight_uses, analysis.graph.nodes().size());
  std::vector<RopeFit> rope_fits;
  if (ComputesRope(policy)) {
    ONNXQUANT_ASSIGN_OR_RETURN(rope_fits, FitRopeCaches(analysis, evidence));
  }
  WeightLattices lattices;
  if (AsksForLattices(policy) && evidence.model != nullptr) {
    ONNXQUANT_ASSIGN_OR_RETURN(lattices, FindWeightLattices(analysis, *evidence.model));
  }
  std::vector<OutputPlan> plans;
  std::vector<bool> relevant(policy.rules.size(), false);
  std::vector<bool> matched(policy.rules.size(), false);
  std::vector<bool> acted(policy.rules.size(), false);
  for (const OutputSpec& output : policy.outputs) {
    if (!dtypes.empty() && std::find(dtypes.begin(), dtypes.end(), output.dtype) == dtypes.end()) {
      continue;
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const ElementType half, HalfTypeOf(analysis, policy, output));
    const PlanContext context{analysis, uses_by_reader, output,    evidence,      origin,
                              half,     rope_fits,      &lattices, policy.targets};
    SettingsResolver resolver(policy, output);
    ONNXQUANT_ASSIGN_OR_RETURN(OutputPlan plan, MakePlan(context, policy.name, resolver));
    plans.push_back(std::move(plan));
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
      relevant[i] = relevant[i] || AppliesTo(policy.rules[i], output.dtype);
      matched[i] = matched[i] || resolver.matched()[i];
      acted[i] = acted[i] || resolver.acted()[i];
    }
  }
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    const Rule& rule = policy.rules[i];
    if (!relevant[i] || rule.optional) continue;
    if (!matched[i]) {
      return PolicyError(rule.mark.ToString(), ": this rule matches nothing in ", origin,
                         WhyUnmatched(analysis, policy, rule),
                         "; see 'onnxquant inspect' for the model's roles and names, or say "
                         "'optional: true' if it may match nothing");
    }
    if (!acted[i]) {
      return PolicyError(rule.mark.ToString(), ": this rule sets ", EffectOf(rule.set),
                         ", which changes nothing that it matches in ", origin,
                         "; 'onnxquant plan' says of each node, weight and input what it becomes "
                         "and why, or say 'optional: true' if it may act on nothing");
    }
  }
  return plans;
}

}  // namespace onnxquant
