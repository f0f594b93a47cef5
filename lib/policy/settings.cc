#include "lib/policy/settings.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

void Apply(const Settings& set, Resolved& resolved) {
  for (const SettingRow* row : SettingRows()) {
    if (row->given(set)) row->apply(set, resolved);
  }
}

bool Names(const Match& match) {
  return !match.names.empty() || !match.regexes.empty() || !match.weights.empty();
}

Reason ByPolicy(const Policy& policy, const OutputSpec& output) {
  Settings set = output.defaults;
  if (!output.io_from.empty()) set.io.reset();
  return {absl::StrCat("output '", output.dtype, "' of policy ", policy.name), EffectOf(set),
          FieldsOf(set)};
}

Reason ByOption(const OutputSpec& output) {
  Settings set;
  set.io = output.defaults.io;
  return {output.io_from, EffectOf(set), FieldsOf(set)};
}

}  // namespace

FieldSet FieldsOf(const Settings& set) {
  FieldSet fields = 0;
  for (const SettingRow* row : SettingRows()) {
    if (row->given(set)) fields |= row->field;
  }
  return fields;
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
  for (const SettingRow* row : SettingRows()) {
    if (row->given(set)) parts.push_back(absl::StrCat(row->key, ": ", row->words(set)));
  }
  return absl::StrJoin(parts, ", ");
}

std::string Reason::ToString() const {
  return absl::StrCat(source(), " sets ", effect());
}

SettingsResolver::SettingsResolver(const Policy& policy, const OutputSpec& output)
    : policy_(policy),
      output_(output),
      by_default_(ByPolicy(policy, output)),
      by_io_(ByOption(output)),
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
  if (!output_.io_from.empty() && subjects.front().io) resolved.why.push_back(by_io_);
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
