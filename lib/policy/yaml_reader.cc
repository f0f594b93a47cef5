#include "lib/policy/yaml_reader.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/suggest.h"
#include "lib/base/visible.h"
#include "lib/text/yaml_text.h"

namespace onnxquant {
namespace {

bool Contains(absl::Span<const std::string> words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

const char* KindOfNode(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return "a scalar";
  return "nothing";
}

std::string Found(const YAML::Node& node) {
  return node.IsScalar() ? absl::StrCat("'", VisibleStart(node.Scalar()), "'") : KindOfNode(node);
}

}  // namespace

SourceMark YamlReader::MarkOf(const YAML::Mark& mark) const {
  if (mark.is_null()) return {file_, 0, 0};
  return {file_, mark.line + 1, mark.column + 1 - (mark.line == 0 ? shift_ : 0)};
}

SourceMark YamlReader::MarkOf(const YAML::Node& node) const {
  return MarkOf(node.Mark());
}

absl::Status YamlReader::ErrorAt(const YAML::Mark& mark, const std::string& message) const {
  return PolicyError(MarkOf(mark).ToString(), ": ", message);
}

absl::Status YamlReader::ErrorAt(const YAML::Node& node, const std::string& message) const {
  return ErrorAt(node.Mark(), message);
}

absl::StatusOr<YAML::Node> YamlReader::Parse(const std::string& text, const char* what) const {
  YamlRule rule;
  rule.what = what;
  rule.largest = limits::kPolicyBytes;
  rule.nodes = limits::kPolicyNodes;
  rule.depth = limits::kPolicyDepth;
  rule.shift = shift_;
  return ParseYaml(text, file_, rule);
}

absl::Status YamlReader::CheckKeys(const YAML::Node& map, const std::string& what,
                                   absl::Span<const std::string> allowed,
                                   absl::Span<const std::string> later) const {
  if (!map.IsMap()) {
    return ErrorAt(map, absl::StrCat("found ", KindOfNode(map), "; ", what, " is a mapping of ",
                                     absl::StrJoin(allowed, ", ")));
  }
  std::set<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) return ErrorAt(entry.first, "a key must be a word");
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second) {
      return ErrorAt(entry.first, absl::StrCat("'", VisibleStart(key), "' stands twice in ", what));
    }
    if (Contains(later, key)) {
      return ErrorAt(entry.first, absl::StrCat("'", key, "' is not supported by this version"));
    }
    if (!Contains(allowed, key)) {
      return ErrorAt(entry.first,
                     absl::StrCat("found '", VisibleStart(key), "' in ", what, "; allowed are ",
                                  absl::StrJoin(allowed, ", "), DidYouMean(key, allowed)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> YamlReader::Text(const YAML::Node& node,
                                             const std::string& what) const {
  if (!node.IsScalar() || node.Scalar().empty()) {
    return ErrorAt(node, absl::StrCat("found ", KindOfNode(node), "; ", what, " is a text"));
  }
  return node.Scalar();
}

absl::StatusOr<bool> YamlReader::Bool(const YAML::Node& node, const std::string& what) const {
  if (node.IsScalar() && node.Scalar() == "true") return true;
  if (node.IsScalar() && node.Scalar() == "false") return false;
  return ErrorAt(node, absl::StrCat("found ", Found(node), "; ", what, " is true or false"));
}

absl::StatusOr<int> YamlReader::Int(const YAML::Node& node, const std::string& what) const {
  int value = 0;
  if (node.IsScalar() && absl::SimpleAtoi(node.Scalar(), &value)) return value;
  return ErrorAt(node, absl::StrCat("found ", Found(node), "; ", what, " is a number"));
}

absl::StatusOr<double> YamlReader::Positive(const YAML::Node& node, const std::string& what) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, Text(node, what));
  double number = 0;
  if (absl::SimpleAtod(text, &number) && std::isfinite(number) && number > 0) return number;
  return ErrorAt(node, absl::StrCat("found ", what, " '", VisibleStart(text),
                                    "'; a number above 0 is expected"));
}

absl::StatusOr<std::vector<YAML::Node>> YamlReader::List(const YAML::Node& node,
                                                         const std::string& what) const {
  if (node.IsScalar()) return std::vector<YAML::Node>{node};
  if (!node.IsSequence() || node.size() == 0) {
    return ErrorAt(
        node, absl::StrCat("found ", node.IsSequence() ? "an empty list" : KindOfNode(node), "; ",
                           what, " is one or a list of several"));
  }
  return std::vector<YAML::Node>(node.begin(), node.end());
}

absl::StatusOr<std::vector<std::string>> YamlReader::Texts(const YAML::Node& node,
                                                           const std::string& what) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<YAML::Node> items, List(node, what));
  std::vector<std::string> texts;
  for (const YAML::Node& item : items) {
    ONNXQUANT_ASSIGN_OR_RETURN(std::string text, Text(item, what));
    texts.push_back(std::move(text));
  }
  return texts;
}

absl::StatusOr<std::string> YamlReader::OneOf(const YAML::Node& node, const std::string& what,
                                              absl::Span<const std::string> allowed) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, Text(node, what));
  if (Contains(allowed, text)) return text;
  return ErrorAt(node, absl::StrCat("found ", what, " '", VisibleStart(text), "'; allowed are ",
                                    absl::StrJoin(allowed, ", "), DidYouMean(text, allowed)));
}

}  // namespace onnxquant
