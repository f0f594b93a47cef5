#include "lib/policy/settings.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace onnxquant {
namespace {

std::string EffectOf(const Settings& set) {
  std::vector<std::string> parts;
  if (set.compute) parts.push_back(absl::StrCat("compute: ", NameOf(*set.compute)));
  if (set.weights) parts.push_back(absl::StrCat("weights: ", ToString(*set.weights)));
  if (set.io) parts.push_back(absl::StrCat("io: ", NameOf(*set.io)));
  if (set.accuracy_level) parts.push_back(absl::StrCat("accuracy_level: ", *set.accuracy_level));
  if (set.keep) parts.push_back(absl::StrCat("keep: ", *set.keep ? "true" : "false"));
  if (set.residual) parts.push_back(absl::StrCat("residual: ", ToString(*set.residual)));
  if (set.overflow) {
    const char* name = *set.overflow == Overflow::kClamp      ? "clamp"
                       : *set.overflow == Overflow::kInfinity ? "infinity"
                                                              : "error";
    parts.push_back(absl::StrCat("overflow: ", name));
  }
  return absl::StrJoin(parts, ", ");
}

void Apply(const Settings& set, Resolved& resolved) {
  if (set.compute) resolved.compute = *set.compute;
  if (set.weights) resolved.weights = *set.weights;
  if (set.io) resolved.io = *set.io;
  if (set.accuracy_level) resolved.accuracy_level = *set.accuracy_level;
  if (set.overflow) resolved.overflow = *set.overflow;
  if (set.keep) resolved.keep = *set.keep;
  if (set.residual) resolved.residual = *set.residual;
}

}  // namespace

std::string Reason::ToString() const {
  return absl::StrCat(source, " sets ", effect);
}

SettingsResolver::SettingsResolver(const Policy& policy, const OutputSpec& output)
    : policy_(policy), output_(output), matched_(policy.rules.size(), false) {}

Resolved SettingsResolver::Resolve(absl::Span<const Subject> subjects) {
  Resolved resolved;
  Apply(output_.defaults, resolved);
  resolved.why.push_back({absl::StrCat("output '", output_.dtype, "' of policy ", policy_.name),
                          EffectOf(output_.defaults)});
  for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
    const Rule& rule = policy_.rules[i];
    if (!AppliesTo(rule, output_.dtype)) continue;
    const auto subject =
        std::find_if(subjects.begin(), subjects.end(),
                     [&rule](const Subject& one) { return Matches(rule.match, one); });
    if (subject == subjects.end()) continue;
    matched_[i] = true;
    Apply(rule.set, resolved);
    resolved.compute_by_rule = resolved.compute_by_rule || rule.set.compute.has_value();
    resolved.weights_by_rule = resolved.weights_by_rule || rule.set.weights.has_value();
    resolved.io_by_rule = resolved.io_by_rule || rule.set.io.has_value();
    std::string source = absl::StrCat("rule at ", rule.mark.ToString());
    if (const Hazard* hazard = FindHazard(rule.match, *subject)) {
      absl::StrAppend(&source, " (", hazard->name, ": ", hazard->why, ")");
    }
    resolved.why.push_back({std::move(source), EffectOf(rule.set)});
  }
  if (resolved.keep) {
    resolved.compute = ElementType::kFloat;
    resolved.compute_by_rule = true;
    resolved.weights = WeightFormat{};
    resolved.weights_by_rule = true;
  }
  return resolved;
}

}  // namespace onnxquant
