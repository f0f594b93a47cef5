#include "lib/policy/settings.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace onnxquant {
namespace {

void Apply(const Settings& set, Resolved& resolved) {
  if (set.compute) resolved.compute = *set.compute;
  if (set.weights) resolved.weights = *set.weights;
  if (set.io) resolved.io = *set.io;
  if (set.accuracy_level) resolved.accuracy_level = *set.accuracy_level;
  if (set.overflow) resolved.overflow = *set.overflow;
  if (set.keep) resolved.keep = *set.keep;
  if (set.residual) resolved.residual = *set.residual;
  if (set.rope_cache) resolved.rope_cache = *set.rope_cache;
  if (set.method) resolved.method = *set.method;
  if (set.tie) resolved.tie = *set.tie;
}

bool Names(const Match& match) {
  return !match.names.empty() || !match.regexes.empty() || !match.weights.empty();
}

}  // namespace

FieldSet FieldsOf(const Settings& set) {
  return (set.compute ? kComputeField : 0U) | (set.weights ? kWeightsField : 0U) |
         (set.io ? kIoField : 0U) | (set.accuracy_level ? kAccuracyLevelField : 0U) |
         (set.overflow ? kOverflowField : 0U) | (set.keep ? kKeepField : 0U) |
         (set.residual ? kResidualField : 0U) | (set.method ? kMethodField : 0U) |
         (set.tie ? kTieField : 0U);
}

Reasons OnlyFor(FieldSet fields, const Reasons& reasons) {
  Reasons only;
  for (const Reason& reason : reasons) {
    if ((reason.fields() & fields) != 0) only.push_back(reason);
  }
  return only;
}

std::string EffectOf(const Settings& set) {
  std::vector<std::string> parts;
  if (set.compute) parts.push_back(absl::StrCat("compute: ", TypeWord(*set.compute)));
  if (set.weights) parts.push_back(absl::StrCat("weights: ", ToString(*set.weights)));
  if (set.io) parts.push_back(absl::StrCat("io: ", TypeWord(*set.io)));
  if (set.accuracy_level) parts.push_back(absl::StrCat("accuracy_level: ", *set.accuracy_level));
  if (set.keep) parts.push_back(absl::StrCat("keep: ", *set.keep ? "true" : "false"));
  if (set.residual) parts.push_back(absl::StrCat("residual: ", ToString(*set.residual)));
  if (set.rope_cache) parts.push_back(absl::StrCat("rope_cache: ", ToString(*set.rope_cache)));
  if (set.method) parts.push_back(absl::StrCat("method: ", methods::RowOf(*set.method).word));
  if (set.tie) parts.push_back(absl::StrCat("tie: ", *set.tie ? "true" : "false"));
  if (set.overflow) {
    const char* name = *set.overflow == Overflow::kClamp      ? "clamp"
                       : *set.overflow == Overflow::kInfinity ? "infinity"
                                                              : "error";
    parts.push_back(absl::StrCat("overflow: ", name));
  }
  return absl::StrJoin(parts, ", ");
}

std::string Reason::ToString() const {
  return absl::StrCat(source(), " sets ", effect());
}

SettingsResolver::SettingsResolver(const Policy& policy, const OutputSpec& output)
    : policy_(policy),
      output_(output),
      by_default_(absl::StrCat("output '", output.dtype, "' of policy ", policy.name),
                  EffectOf(output.defaults), FieldsOf(output.defaults)),
      matched_(policy.rules.size(), false),
      acted_(policy.rules.size(), false) {
  for (const Rule& rule : policy.rules) {
    by_rule_.emplace_back(absl::StrCat("rule at ", rule.mark.ToString()), EffectOf(rule.set),
                          FieldsOf(rule.set));
  }
}

Resolved SettingsResolver::Resolve(absl::Span<const Subject> subjects) {
  Resolved resolved;
  Apply(output_.defaults, resolved);
  resolved.why.push_back(by_default_);
  for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
    const Rule& rule = policy_.rules[i];
    if (!AppliesTo(rule, output_.dtype)) continue;
    const Subject* subject = nullptr;
    for (const Subject& one : subjects) {
      if (!Matches(rule.match, one)) continue;
      if (subject == nullptr) subject = &one;
      acted_[i] = acted_[i] || CanAct(rule.set, one);
    }
    if (subject == nullptr) continue;
    matched_[i] = true;
    Apply(rule.set, resolved);
    resolved.compute_by_rule = resolved.compute_by_rule || rule.set.compute.has_value();
    resolved.weights_by_rule = resolved.weights_by_rule || rule.set.weights.has_value();
    resolved.io_by_rule = resolved.io_by_rule || rule.set.io.has_value();
    resolved.named =
        resolved.named || ((rule.set.compute || rule.set.weights) && Names(rule.match));
    const Reason& reason = by_rule_[i];
    if (const Hazard* hazard = FindHazard(rule.match, *subject)) {
      resolved.why.emplace_back(
          absl::StrCat(reason.source(), " (", hazard->kind->name, ": ", hazard->why, ")"),
          reason.effect(), reason.fields());
    } else {
      resolved.why.push_back(reason);
    }
  }
  if (resolved.keep) {
    resolved.compute = kAsInSource;
    resolved.compute_by_rule = true;
    resolved.weights = WeightFormat{.type = kAsInSource};
    resolved.weights_by_rule = true;
    resolved.rope_cache = {};
  }
  return resolved;
}

}  // namespace onnxquant
