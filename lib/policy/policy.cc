#include "lib/policy/policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/policy/glob.h"
#include "lib/policy/setting_row.h"

namespace onnxquant {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool AnyGlob(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(),
                     [&name](const std::string& glob) { return FitsGlob(glob, name); });
}

bool AnyRegex(const std::vector<Pattern>& regexes, const std::string& text) {
  return std::any_of(regexes.begin(), regexes.end(),
                     [&text](const Pattern& pattern) { return pattern.IsFoundIn(text); });
}

bool AnyLayer(const std::vector<LayerRange>& ranges, int layer, int layers) {
  if (layer < 0) return false;
  const auto from_start = [layers](int number) { return number < 0 ? layers + number : number; };
  return std::any_of(ranges.begin(), ranges.end(), [&](const LayerRange& range) {
    return from_start(range.first) <= layer && layer <= from_start(range.last);
  });
}

bool HasElements(const Match& match, const Subject& subject) {
  if (!match.least_elements && !match.most_elements) return true;
  if (!subject.reading) return false;
  double elements = 1;
  for (const std::int64_t dim : subject.reading->dims) elements *= static_cast<double>(dim);
  return elements >= match.least_elements.value_or(0) &&
         elements <= match.most_elements.value_or(elements);
}

}  // namespace

std::string SourceMark::ToString() const {
  return line == 0 ? file : absl::StrCat(file, ":", line, ":", column);
}

std::string ToString(const ResidualSetting& setting) {
  switch (setting.kind) {
    case ResidualSetting::Kind::kRescale:
      return setting.exponent == 0 ? "{rescale: auto}"
                                   : absl::StrCat("{rescale: ", setting.exponent, "}");
    case ResidualSetting::Kind::kClip:
      return absl::StrCat("{clip: ", setting.limit, "}");
    case ResidualSetting::Kind::kFloat32:
      break;
  }
  return "float32";
}

std::string ToString(const RopeCacheSetting& setting) {
  switch (setting.kind) {
    case RopeCacheSetting::Kind::kTrim:
      return absl::StrCat("{positions: ", setting.positions, "}");
    case RopeCacheSetting::Kind::kComputed:
      return setting.positions == 0 ? "computed"
                                    : absl::StrCat("{computed: ", setting.positions, "}");
    case RopeCacheSetting::Kind::kKeep:
      break;
  }
  return "keep";
}

bool Matches(const Match& match, const Subject& subject) {
  return (match.roles.empty() || Contains(match.roles, subject.role) ||
          Contains(match.roles, subject.also)) &&
         (match.ops.empty() || Contains(match.ops, subject.op)) &&
         (match.names.empty() || AnyGlob(match.names, subject.name)) &&
         (match.regexes.empty() || AnyRegex(match.regexes, subject.name)) &&
         (match.weights.empty() ||
          (!subject.weight.empty() && AnyGlob(match.weights, subject.weight))) &&
         (match.layers.empty() || AnyLayer(match.layers, subject.layer, subject.layers)) &&
         (match.hazards.empty() || FindHazard(match, subject) != nullptr) &&
         HasElements(match, subject) &&
         (!match.calibrated || (subject.reading && *match.calibrated == subject.calibrated)) &&
         (!match.lattice || (subject.reading && *match.lattice == subject.lattice)) &&
         (!match.peak_over || (subject.peak && *subject.peak > *match.peak_over));
}

bool CanAct(const Settings& set, const Subject& subject) {
  return std::any_of(SettingRows().begin(), SettingRows().end(), [&](const SettingRow* row) {
    return row->given(set) && row->acts(set, subject);
  });
}

const Hazard* FindHazard(const Match& match, const Subject& subject) {
  for (const std::string& name : match.hazards) {
    for (const Hazard& hazard : subject.hazards) {
      if (IsNamedBy(name, *hazard.kind)) return &hazard;
    }
  }
  return nullptr;
}

int LeastOpset(const Policy& policy) {
  constexpr int kCastByNumber = 6;
  int opset = kCastByNumber;
  const auto take = [&opset](const Settings& set) {
    for (const SettingRow* row : SettingRows()) {
      if (row->opset != nullptr && row->given(set)) opset = std::max(opset, row->opset(set));
    }
  };
  for (const OutputSpec& output : policy.outputs) take(output.defaults);
  for (const Rule& rule : policy.rules) take(rule.set);
  return opset;
}

bool AppliesTo(const Rule& rule, const std::string& dtype) {
  return rule.when.empty() || Contains(rule.when, dtype);
}

}  // namespace onnxquant
