#include "lib/policy/plan_nodes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/policy/plan_weights.h"
#include "lib/policy/shared_reasons.h"
#include "lib/policy/subjects.h"
#include "lib/schema/schema_lookup.h"
#include "lib/targets/find_lacks.h"

namespace onnxquant {

namespace {

// The node itself, then its constants.
std::vector<Subject> SubjectsAt(const PlanContext& context, NodeId id) {
  std::vector<Subject> subjects = {SubjectOf(context, id)};
  for (const std::size_t use : context.uses_by_reader.Of(id)) {
    subjects.push_back(SubjectOfUse(context, use));
  }
  return subjects;
}

// Those of the reasons that bear on the node's arithmetic, not on its constants alone.
Reasons BearingOn(absl::Span<const Subject> subjects, const Reasons& reasons) {
  const auto can_act = [subjects](const Settings& set) {
    return std::any_of(subjects.begin(), subjects.end(),
                       [&set](const Subject& subject) { return CanAct(set, subject); });
  };
  FieldSet fields = kKeepField;
  if (subjects[0].computes) fields |= kComputeField;
  if (subjects[0].sums) fields |= kResidualField;
  const bool leveled = std::any_of(reasons.begin() + 1, reasons.end(), [](const Reason& one) {
    return (one.fields() & kAccuracyLevelField) != 0;
  });
  Settings level;
  level.accuracy_level = 0;
  if (leveled && can_act(level)) fields |= kAccuracyLevelField;
  return OnlyFor(fields, reasons);
}

// Whether the last reason that speaks of the arithmetic or of the sums says nothing of the sums.
bool EndsBesideSums(const Reasons& reasons) {
  const auto last = std::find_if(reasons.rbegin(), reasons.rend(), [](const Reason& reason) {
    return (reason.fields() & (kComputeField | kResidualField)) != 0;
  });
  return last != reasons.rend() && (last->fields() & kResidualField) == 0;
}

// The type of the node's arithmetic in the source model. Slots that disagree, as those of a norm of
// mixed types do, are no arithmetic that could be kept: they meet in float32, which holds them all.
ElementType SourceCompute(const PlanContext& context, NodeId id) {
  const Node& node = context.graph().node(id);
  const NodeTraits& traits = context.Traits(id);
  ElementType found = ElementType::kUndefined;
  const auto take = [&](ValueId value, SlotRule rule) {
    const bool counts = rule == (traits.CanChange() ? SlotRule::kFollows : SlotRule::kFixed);
    if (!counts || found == context.OriginalType(value)) return;
    const ElementType type = context.OriginalType(value);
    if (found == ElementType::kUndefined) {
      found = type;
    } else {
      const bool wide = found == ElementType::kDouble || type == ElementType::kDouble;
      found = wide ? ElementType::kDouble : ElementType::kFloat;
    }
  };
  for (std::size_t i = 0; i < node.outputs.size(); ++i) take(node.outputs[i], traits.outputs[i]);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) take(node.inputs[i], traits.inputs[i]);
  return found == ElementType::kUndefined ? ElementType::kFloat : found;
}

// Whether the slots that follow the compute type hold several types in the source, and may: slots
// that ONNX's schema gives one type variable agree in a valid model. (A norm of mixed types, which
// the CPU provider accepts, is none.)
bool MayMixTypes(const PlanContext& context, NodeId id) {
  const Node& node = context.graph().node(id);
  const onnx::OpSchema* schema =
      FindContribOp(node.proto->domain(), node.proto->op_type()) == nullptr
          ? FindSchema(context.graph().model(), *node.proto)
          : nullptr;
  if (schema == nullptr) return false;
  std::map<std::string, ElementType> by_variable;
  std::set<ElementType> types;
  const auto agrees = [&](ValueId value, SlotRule rule,
                          const onnx::OpSchema::FormalParameter* formal) {
    if (rule != SlotRule::kFollows) return true;
    types.insert(context.OriginalType(value));
    if (formal == nullptr || !formal->GetIsHomogeneous()) return true;
    return by_variable.emplace(formal->GetTypeStr(), context.OriginalType(value)).first->second ==
           context.OriginalType(value);
  };
  bool valid = true;
  for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    valid =
        valid && agrees(node.inputs[at], context.Traits(id).inputs[at], FormalInput(*schema, i));
  }
  for (int i = 0; i < static_cast<int>(node.outputs.size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    valid =
        valid && agrees(node.outputs[at], context.Traits(id).outputs[at], FormalOutput(*schema, i));
  }
  return valid && types.size() > 1;
}

// What the policy asks of the residual stream, and by which reason: the last that speaks of it.
std::optional<ResidualRequest> RequestOf(NodeId id, const Resolved& resolved) {
  if (!resolved.residual) return std::nullopt;
  const auto last =
      std::find_if(resolved.why.rbegin(), resolved.why.rend(),
                   [](const Reason& reason) { return (reason.fields() & kResidualField) != 0; });
  return ResidualRequest{id, *resolved.residual, *last};
}

// Whether a table's rows have scales of 16 bits, though a rule has its node compute in more: as in
// plan_weights.cc, of a table that becomes codes. A head that shares it then shares its scales.
bool HasHalfScales(const PlanContext& context, NodeId id, const Resolved& resolved) {
  return context.graph().OpName(id) == "com.microsoft::GatherBlockQuantized" &&
         resolved.compute == ElementType::kFloat && !resolved.weights.IsFloat() &&
         context.output.defaults.compute == ElementType::kFloat16;
}

// Where a target has kernels of float32 for the operator, and none of float16. Returns whether one
// has. (Of bfloat16 most providers have so few that little would be left of what was asked for.)
bool HeedTheTargets(const PlanContext& context, NodeId id, SharedReasons& reasons, NodePlan& plan) {
  if (context.targets.empty() || !plan.changes || plan.mixed ||
      plan.compute != ElementType::kFloat16) {
    return false;
  }
  const std::string& op = context.graph().OpName(id);
  const int opset = OpsetOf(context.graph());
  for (const TargetAsked& asked : context.targets) {
    const std::string why = WhyNotHalf(asked.target, op, opset, plan.compute);
    if (why.empty()) continue;
    plan.compute = ElementType::kFloat;
    plan.why.push_back(reasons.Get(absl::StrCat("target ", asked.target.ToString()),
                                   absl::StrCat("float32: ", why)));
    return true;
  }
  return false;
}

// What the operator's arithmetic allows has the last word.
void HeedTheOperator(const PlanContext& context, NodeId id, SharedReasons& reasons,
                     NodePlan& plan) {
  const auto because = [&](const std::string& effect) {
    plan.why.push_back(reasons.Get("the operator", effect));
  };
  const NodeTraits& traits = context.Traits(id);
  if (traits.only_widens && IsHalf(plan.compute) && SourceCompute(context, id) != plan.compute) {
    plan.compute = ElementType::kFloat;
    because("float32: scales of quantized numbers are not narrowed");
  }
  if (traits.float32_because != nullptr && IsHalf(plan.compute)) {
    plan.compute = ElementType::kFloat;
    because(absl::StrCat("float32: ", traits.float32_because));
  }
  if (!plan.changes) because(absl::StrCat("no change: ", traits.fixed_because));
}

}  // namespace

ResolvedNodes ResolveNodes(const PlanContext& context, SettingsResolver& resolver,
                           OutputPlan& plan) {
  const auto count = static_cast<std::size_t>(context.node_count());
  plan.nodes.resize(count);
  ResolvedNodes result{IdVector<bool>(count), IdVector<bool>(count), IdVector<bool>(count), {}};
  SharedReasons reasons;
  for (NodeId id = 0; id < context.node_count(); ++id) {
    const std::vector<Subject> subjects = SubjectsAt(context, id);
    Resolved resolved = resolver.Resolve(subjects);
    const bool wide_sum = subjects[0].sums && resolved.residual &&
                          resolved.residual->kind == ResidualSetting::Kind::kFloat32;
    if (wide_sum) {
      resolved.compute = ElementType::kFloat;
      resolved.compute_by_rule = true;
    }
    const NodeTraits& traits = context.Traits(id);
    NodePlan& node = plan.nodes[id];
    node.changes = traits.CanChange();
    const bool as_it_is = !node.changes || resolved.compute == kAsInSource;
    node.compute = as_it_is ? SourceCompute(context, id) : resolved.compute;
    node.mixed = node.changes && as_it_is && resolved.compute_by_rule && MayMixTypes(context, id);
    node.accuracy_level = static_cast<std::int8_t>(resolved.accuracy_level);
    node.overflow = resolved.overflow;
    node.why = BearingOn(subjects, resolved.why);
    if (wide_sum && EndsBesideSums(node.why)) {
      node.why.push_back(reasons.Get("residual: float32", "compute: float32"));
    }
    if (node.changes && HasHalfScales(context, id, resolved)) {
      node.compute = ElementType::kFloat16;
      node.why.push_back(
          reasons.Get("the table's scales, as in a table that becomes codes,", "compute: float16"));
    }
    HeedTheOperator(context, id, reasons, node);
    const bool held = HeedTheTargets(context, id, reasons, node);
    result.by_rule[id] = resolved.compute_by_rule || held;
    result.kept[id] = resolved.keep;
    result.movers[id] = node.changes && traits.float32_because == nullptr && traits.moves_data &&
                        !held && !traits.float_cast && !resolved.compute_by_rule &&
                        resolved.compute != ElementType::kFloat;
    if (auto request = RequestOf(id, resolved)) result.residual.push_back(*std::move(request));
  }
  return result;
}

}  // namespace onnxquant
