#include "lib/policy/plan.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/suggest.h"
#include "lib/policy/plan_maker.h"
#include "lib/schema/node_check.h"

namespace onnxquant {

PlanMaker::PlanMaker(const Analysis& analysis, const Policy& policy, const OutputSpec& output,
                     ElementType half, const std::string& origin, const Evidence& evidence)
    : analysis_(analysis),
      policy_(policy),
      output_(output),
      origin_(origin),
      evidence_(evidence),
      resolver_(policy, output),
      uses_of_reader_(analysis.graph.nodes().size()),
      exponents_(analysis.weight_uses.size(), 0),
      floating_(analysis.graph.nodes().size(), false),
      transparent_(analysis.graph.nodes().size(), false),
      stored_(analysis.graph.values().size(), false),
      io_types_(analysis.types) {
  plan_.dtype = output.dtype;
  plan_.policy = policy.name;
  plan_.half = half;
  plan_.nodes.resize(analysis.graph.nodes().size());
  for (std::size_t i = 0; i < analysis.weight_uses.size(); ++i) {
    const NodeId reader = analysis.weight_uses[i].reader.node;
    uses_of_reader_[static_cast<std::size_t>(reader)].push_back(i);
  }
  for (ValueId id = 0; id < static_cast<ValueId>(stored_.size()); ++id) roots_.push_back(id);
  for (const Value& value : analysis.graph.values()) {
    if (!taken_names_.Insert(value.name)) shared_names_.insert(value.name);
  }
}

absl::StatusOr<OutputPlan> PlanMaker::Make() {
  ResolveNodes();
  FindTransparent();
  ONNXQUANT_RETURN_IF_ERROR(PlanResidual());
  TakeClipsOut();
  PlanIo();
  FollowIoTypes();
  FindRoots();
  DecideStoredMovers();
  KeepIslands();
  DecideDataMovers();
  PlanWeights();
  SettleCasts();
  SettleValueTypes();
  return std::move(plan_);
}

// Logits are read by samplers that expect float32; they change only when a rule says so.
void PlanMaker::PlanIo() {
  const auto plan_value = [this](ValueId id, bool fixed) {
    const Value& value = analysis_.graph.value(id);
    const NodeRole role = analysis_.roles.OfValue(id);
    Subject subject;
    subject.role = NameOf(role.role);
    subject.name = value.name;
    subject.layer = role.layer;
    subject.layers = analysis_.roles.layers;
    subject.io = !fixed;
    Resolved resolved = resolver_.Resolve({&subject, 1});
    if (fixed || resolved.io == kAsInSource) {
      resolved.io = OriginalType(id);
    } else if (role.role == Role::kLogits && !resolved.io_by_rule) {
      resolved.io = ElementType::kFloat;
      resolved.why.push_back({"the role logits", "io: float32"});
    }
    io_types_[static_cast<std::size_t>(id)] = resolved.io;
    plan_.io.push_back({id, resolved.io, std::move(resolved.why)});
  };
  for (const bool inputs : {true, false}) {
    for (ValueId id = 0; id < static_cast<ValueId>(analysis_.graph.values().size()); ++id) {
      const Value& value = analysis_.graph.value(id);
      if (value.scope != kMainScope || !IsFloat(OriginalType(id))) continue;
      if (inputs ? !value.graph_input : (value.graph_input || !value.graph_output)) continue;
      // A default value keeps its type, and so does what no Cast can read.
      plan_value(id,
                 (inputs && value.initializer != nullptr) || value.sparse_initializer != nullptr);
    }
  }
}

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
  return Analysis{std::move(graph),           std::move(types),   std::move(traits),
                  std::move(bfloat16_traits), std::move(roles),   std::move(uses),
                  std::move(hazards),         std::move(residual)};
}

namespace {

// The 16-bit type of the model's values, for policies that leave types as they are.
ElementType HalfTypeOf(const Analysis& analysis) {
  const auto has = [&analysis](ElementType type) {
    return std::find(analysis.types.begin(), analysis.types.end(), type) != analysis.types.end();
  };
  return has(ElementType::kBFloat16) && !has(ElementType::kFloat16) ? ElementType::kBFloat16
                                                                    : ElementType::kFloat16;
}

// The 16-bit type that an output and the rules about it name; the model's own if they name none.
absl::StatusOr<ElementType> HalfTypeOf(const Analysis& analysis, const Policy& policy,
                                       const OutputSpec& output) {
  ElementType half = ElementType::kUndefined;
  bool int4 = false;
  const auto take = [&](const Settings& set, const SourceMark& mark) -> absl::Status {
    if (set.weights && set.weights->kind == WeightFormat::Kind::kInt4) int4 = true;
    std::vector<ElementType> types;
    if (set.compute) types.push_back(*set.compute);
    if (set.io) types.push_back(*set.io);
    if (set.weights) types.push_back(set.weights->type);
    for (const ElementType type : types) {
      if (!IsHalf(type)) continue;
      if (half == ElementType::kUndefined) half = type;
      if (half != type) {
        return PolicyError(mark.ToString(), ": found ", NameOf(type), " where output '",
                           output.dtype, "' already uses ", NameOf(half),
                           "; one output has one 16-bit type: use the same in all of it");
      }
    }
    return absl::OkStatus();
  };
  ONNXQUANT_RETURN_IF_ERROR(take(output.defaults, output.mark));
  for (const Rule& rule : policy.rules) {
    if (AppliesTo(rule, output.dtype)) ONNXQUANT_RETURN_IF_ERROR(take(rule.set, rule.mark));
  }
  if (half == ElementType::kBFloat16 && int4) {
    return PolicyError(output.mark.ToString(), ": output '", output.dtype,
                       "' wants int4 weights and bfloat16; 4-bit weights go with float16 or "
                       "float32");
  }
  return half == ElementType::kUndefined ? HalfTypeOf(analysis) : half;
}

}  // namespace

absl::StatusOr<std::vector<OutputPlan>> MakePlans(const Analysis& analysis, const Policy& policy,
                                                  const std::vector<std::string>& dtypes,
                                                  const std::string& origin,
                                                  const Evidence& evidence) {
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
  std::vector<OutputPlan> plans;
  std::vector<bool> relevant(policy.rules.size(), false);
  std::vector<bool> matched(policy.rules.size(), false);
  std::vector<bool> acted(policy.rules.size(), false);
  for (const OutputSpec& output : policy.outputs) {
    if (!dtypes.empty() && std::find(dtypes.begin(), dtypes.end(), output.dtype) == dtypes.end()) {
      continue;
    }
    ONNXQUANT_ASSIGN_OR_RETURN(const ElementType half, HalfTypeOf(analysis, policy, output));
    PlanMaker maker(analysis, policy, output, half, origin, evidence);
    ONNXQUANT_ASSIGN_OR_RETURN(OutputPlan plan, maker.Make());
    plans.push_back(std::move(plan));
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
      relevant[i] = relevant[i] || AppliesTo(policy.rules[i], output.dtype);
      matched[i] = matched[i] || maker.resolver().matched()[i];
      acted[i] = acted[i] || maker.resolver().acted()[i];
    }
  }
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    const Rule& rule = policy.rules[i];
    if (!relevant[i] || rule.optional) continue;
    if (!matched[i]) {
      return PolicyError(rule.mark.ToString(), ": this rule matches nothing in ", origin,
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
