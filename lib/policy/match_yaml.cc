#include "lib/policy/match_yaml.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/hazards.h"
#include "lib/analysis/roles.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"

namespace onnxquant {
namespace {

using Words = std::vector<std::string>;

// One of `known`, or a list of them.
absl::StatusOr<Words> ParseKnown(const YamlReader& reader, const YAML::Node& node,
                                 const std::string& what, const Words& known) {
  ONNXQUANT_ASSIGN_OR_RETURN(const auto items, reader.List(node, what));
  Words found;
  for (const YAML::Node& item : items) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::string word, reader.OneOf(item, what, known));
    found.push_back(std::move(word));
  }
  return found;
}

template <typename Row>
Words NamesOf(absl::Span<const Row> rows, Words names = {}) {
  for (const Row& row : rows) names.emplace_back(row.name);
  return names;
}

absl::Status ParseRegexes(const YamlReader& reader, const YAML::Node& node, Match& match) {
  ONNXQUANT_ASSIGN_OR_RETURN(const auto items, reader.List(node, "regex"));
  if (static_cast<std::int64_t>(items.size()) > limits::kPolicyRegexes) {
    return reader.ErrorAt(node,
                          absl::StrCat("found ", items.size(), " regular expressions; at most ",
                                       limits::kPolicyRegexes, " are allowed in a policy"));
  }
  for (const YAML::Node& item : items) {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, reader.Text(item, "regex"));
    absl::StatusOr<Pattern> pattern = Pattern::Compile(text);
    if (!pattern.ok()) return reader.ErrorAt(item, std::string(pattern.status().message()));
    match.regexes.push_back(*std::move(pattern));
  }
  return absl::OkStatus();
}

// "3", "-1", "0-3", "-4--1".
absl::StatusOr<LayerRange> ParseLayers(const YamlReader& reader, const YAML::Node& node) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, reader.Text(node, "layer"));
  LayerRange range;
  const std::size_t dash = text.find('-', 1);
  const bool ok = dash == std::string::npos
                      ? absl::SimpleAtoi(text, &range.first)
                      : absl::SimpleAtoi(text.substr(0, dash), &range.first) &&
                            absl::SimpleAtoi(text.substr(dash + 1), &range.last);
  if (!ok) {
    return reader.ErrorAt(node, absl::StrCat("found layer '", VisibleStart(text),
                                             "'; a number (negative: from the end) or a range "
                                             "such as 0-3 is expected"));
  }
  if (dash == std::string::npos) range.last = range.first;
  if ((range.first < 0) == (range.last < 0) && range.last < range.first) {
    return reader.ErrorAt(node, absl::StrCat("the layers ", text, " run backwards"));
  }
  return range;
}

absl::Status ParseElements(const YamlReader& reader, const YAML::Node& node, Match& match) {
  ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(node, "elements", Words{"min", "max"}));
  if (node.size() == 0) return reader.ErrorAt(node, "'elements' says neither 'min' nor 'max'");
  if (node["min"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.least_elements, reader.Positive(node["min"], "min"));
  }
  if (node["max"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.most_elements, reader.Positive(node["max"], "max"));
  }
  if (match.least_elements && match.most_elements && *match.most_elements < *match.least_elements) {
    return reader.ErrorAt(node, "no number of elements is at least 'min' and at most 'max'");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Match> ParseMatch(const YamlReader& reader, const YAML::Node& node) {
  ONNXQUANT_RETURN_IF_ERROR(
      reader.CheckKeys(node, "match",
                       Words{"role", "op", "name", "regex", "weight", "layer", "elements", "hazard",
                             "range", "calibrated", "lattice"},
                       Words{"bytes", "shared"}));
  if (node.size() == 0) return reader.ErrorAt(node, "'match' is empty: say what to match");
  Match match;
  if (node["role"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.roles,
                               ParseKnown(reader, node["role"], "role", NamesOf(RoleNames())));
  }
  if (node["hazard"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(
        match.hazards,
        ParseKnown(reader, node["hazard"], "hazard",
                   NamesOf(HazardNames(), {kAnyHazard, kHazardsOfFloat16, kHazardsOfBFloat16})));
  }
  if (node["op"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.ops, reader.Texts(node["op"], "op"));
  }
  if (node["name"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.names, reader.Texts(node["name"], "name"));
  }
  if (node["weight"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.weights, reader.Texts(node["weight"], "weight"));
  }
  if (node["regex"]) ONNXQUANT_RETURN_IF_ERROR(ParseRegexes(reader, node["regex"], match));
  if (node["range"]) {
    const YAML::Node range = node["range"];
    ONNXQUANT_RETURN_IF_ERROR(reader.CheckKeys(range, "range", Words{"peak_over"}));
    if (!range["peak_over"]) return reader.ErrorAt(range, "'range' does not say 'peak_over'");
    ONNXQUANT_ASSIGN_OR_RETURN(match.peak_over, reader.Positive(range["peak_over"], "peak_over"));
  }
  if (node["calibrated"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.calibrated, reader.Bool(node["calibrated"], "calibrated"));
  }
  if (node["lattice"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(match.lattice, reader.Bool(node["lattice"], "lattice"));
  }
  if (node["elements"]) ONNXQUANT_RETURN_IF_ERROR(ParseElements(reader, node["elements"], match));
  if (node["layer"]) {
    ONNXQUANT_ASSIGN_OR_RETURN(const auto items, reader.List(node["layer"], "layer"));
    for (const YAML::Node& item : items) {
      ONNXQUANT_ASSIGN_OR_RETURN(const LayerRange range, ParseLayers(reader, item));
      match.layers.push_back(range);
    }
  }
  return match;
}

}  // namespace onnxquant
