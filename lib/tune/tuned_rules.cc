#include "lib/tune/tuned_rules.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/base/number_ranges.h"
#include "lib/formats/formats.h"
#include "lib/formats/parameters.h"
#include "lib/policy/glob.h"
#include "lib/policy/yaml_reader.h"

namespace onnxquant {
namespace {

// "weights: {format: int8, block: 32}, method: gptq" as two lines, and the like.
std::vector<std::string> LinesOf(const Settings& set) {
  std::vector<std::string> lines{absl::StrCat("weights: ", WeightsYaml(*set.weights))};
  if (set.method) lines.push_back(absl::StrCat("method: ", methods::RowOf(*set.method).word));
  if (set.accuracy_level) lines.push_back(absl::StrCat("accuracy_level: ", *set.accuracy_level));
  return lines;
}

using Place = std::pair<std::string, int>;  // role and layer

struct Group {
  std::vector<const TunedWeight*> weights;
  std::set<int> layers;  // of a rule by role; empty: by names
};

// "3, 17", "[0, 2-5]".
std::string LayersYaml(const std::set<int>& layers) {
  const std::string ranges = NumberRanges(layers);
  return absl::StrContains(ranges, ',') ? absl::StrCat("[", ranges, "]") : ranges;
}

// As a YAML scalar in double quotes, which every name can be.
std::string Quoted(const std::string& text) {
  YAML::Emitter emitter;
  emitter << YAML::DoubleQuoted << text;
  return emitter.c_str();
}

std::string MatchYaml(const Group& group) {
  if (!group.layers.empty()) {
    return absl::StrCat("{role: ", group.weights.front()->role,
                        ", layer: ", LayersYaml(group.layers), "}");
  }
  std::vector<std::string> names;
  for (const TunedWeight* weight : group.weights) names.push_back(Quoted(AsGlob(weight->name)));
  return names.size() == 1 ? absl::StrCat("{weight: ", names.front(), "}")
                           : absl::StrCat("{weight: [", absl::StrJoin(names, ", "), "]}");
}

std::string CommentOf(const Group& group) {
  std::uint64_t bytes = 0;
  double cost = 0;
  for (const TunedWeight* weight : group.weights) {
    bytes += weight->bytes;
    cost += weight->cost;
  }
  return absl::StrFormat("# %d weight%s, %.3f MB, predicted KL %.3g", group.weights.size(),
                         group.weights.size() == 1 ? "" : "s", static_cast<double>(bytes) / 1e6,
                         cost);
}

// The rules in the order of the roles' first weights; of one role, of the formats'.
std::vector<Group> GroupsOf(absl::Span<const TunedWeight> weights) {
  std::map<Place, std::set<std::string>> formats_at;
  const auto words = [](const TunedWeight& weight) {
    return absl::StrJoin(LinesOf(weight.set), " ");
  };
  for (const TunedWeight& weight : weights) {
    formats_at[{weight.role, weight.layer}].insert(words(weight));
  }
  std::vector<Group> groups;
  std::map<std::pair<std::string, std::string>, std::size_t> known;
  for (const TunedWeight& weight : weights) {
    if (weight.base) continue;
    const bool by_role = !weight.role.empty() && weight.layer >= 0 &&
                         formats_at.at({weight.role, weight.layer}).size() == 1;
    const auto [found, added] =
        known.emplace(std::make_pair(by_role ? weight.role : "", words(weight)), groups.size());
    if (added) groups.emplace_back();
    Group& group = groups[found->second];
    group.weights.push_back(&weight);
    if (by_role) group.layers.insert(weight.layer);
  }
  return groups;
}

// Where rules are to be added.
struct RulesPlace {
  std::string indent;
  bool begun = false;  // the key `rules` is there
};

absl::StatusOr<RulesPlace> FindRules(const std::string& yaml, const std::string& file) {
  ONNXQUANT_ASSIGN_OR_RETURN(const YAML::Node root, YamlReader(file).Parse(yaml, "a policy"));
  const auto misplaced = [&file](int line) {
    return PolicyError(file, ":", line + 1,
                       ": chosen formats are added as rules at the end of the ",
                       "policy; let 'rules:' be its last key, with a line '- match: …' for each");
  };
  if (root.Style() == YAML::EmitterStyle::Flow) return misplaced(root.Mark().line);
  int last = -1;
  int rules = -1;
  for (const auto& entry : root) {
    last = std::max(last, entry.first.Mark().line);
    if (entry.first.Scalar() == "rules") rules = entry.first.Mark().line;
  }
  if (rules < 0) return RulesPlace{"  ", false};
  const YAML::Node list = root["rules"];
  if (rules != last || !list.IsSequence() || list.size() == 0 ||
      list.Style() == YAML::EmitterStyle::Flow) {
    return misplaced(rules);
  }
  const std::vector<absl::string_view> lines = absl::StrSplit(yaml, '\n');
  const auto line = static_cast<std::size_t>(list[0].Mark().line);
  const std::size_t dash = line < lines.size() ? lines[line].find_first_not_of(' ') : 0;
  if (line >= lines.size() || dash == absl::string_view::npos || lines[line][dash] != '-') {
    return misplaced(rules);
  }
  return RulesPlace{std::string(dash, ' '), true};
}

}  // namespace

std::string WeightsYaml(const WeightFormat& format) {
  if (format.IsFloat()) return TypeWord(format.type);
  std::string text = absl::StrCat("{format: ", format.word);
  WeightFormat said = FormatOfWord(format.word).value_or(format);
  for (const ParameterRow& row : ParameterRows()) {
    const std::string wanted = row.text(format);
    if (!Takes(format.word, row.parameter) || row.text(said) == wanted) continue;
    for (const absl::string_view word : row.words) {
      WeightFormat with = said;
      row.set(with, word);
      if (row.text(with) != wanted) continue;
      said = with;
      absl::StrAppend(&text, ", ", row.key, ": ", word);
      break;
    }
  }
  return text + "}";
}

std::string TunedRules(absl::Span<const TunedWeight> weights, const std::string& dtype,
                       const std::string& indent) {
  std::string text;
  for (const Group& group : GroupsOf(weights)) {
    absl::StrAppend(&text, indent, CommentOf(group), "\n", indent, "- match: ", MatchYaml(group),
                    "\n", indent, "  when: ", dtype, "\n");
    for (const std::string& line : LinesOf(group.weights.front()->set)) {
      absl::StrAppend(&text, indent, "  ", line, "\n");
    }
  }
  return text;
}

absl::StatusOr<std::string> WithRules(const std::string& yaml, const std::string& file,
                                      absl::Span<const TunedWeight> weights,
                                      const std::string& dtype, absl::Span<const std::string> more,
                                      absl::Span<const std::string> comment) {
  ONNXQUANT_ASSIGN_OR_RETURN(const RulesPlace place, FindRules(yaml, file));
  std::string text = yaml;
  if (text.empty() || text.back() != '\n') text += '\n';
  const std::string rules = TunedRules(weights, dtype, place.indent);
  if (!place.begun && !(rules.empty() && more.empty())) absl::StrAppend(&text, "rules:\n");
  for (const std::string& rule : more) {
    absl::StrAppend(&text, place.indent, "- {", rule, "}\n");
  }
  for (const std::string& line : comment) absl::StrAppend(&text, place.indent, "# ", line, "\n");
  return text + rules;
}

}  // namespace onnxquant
