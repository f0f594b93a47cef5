#include "lib/policy/unmatched.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lib/base/suggest.h"
#include "lib/base/visible.h"
#include "lib/policy/families.h"
#include "lib/policy/glob.h"
#include "lib/policy/policy_yaml.h"

namespace onnxquant {
namespace {

using Names = std::vector<std::string>;

// Of nodes, and of the graph's inputs and outputs.
Names NodeNames(const Graph& graph) {
  Names names;
  for (const Node& node : graph.nodes()) names.push_back(node.proto->name());
  for (const Value& value : graph.values()) {
    if (value.graph_input || value.graph_output) names.push_back(value.name);
  }
  return names;
}

Names WeightNames(const Graph& graph) {
  Names names;
  for (const Value& value : graph.values()) {
    if (value.initializer != nullptr) names.push_back(value.name);
  }
  return names;
}

std::string Bracketed(const std::string& glob, const Names& names) {
  const std::string plain = WithPlainBrackets(glob);
  const auto meant = std::find_if(names.begin(), names.end(), [&plain](const std::string& name) {
    return FitsGlob(plain, name);
  });
  if (meant == names.end()) return "";
  return absl::StrCat(
      "; in a glob '[' begins a set of characters, and the bracket itself is '[[]': ", "'",
      VisibleStart(plain), "' matches '", VisibleStart(*meant), "'");
}

// The first of the globs whose fault can be seen.
std::string Misspelt(const Names& globs, const Names& names) {
  for (const std::string& glob : globs) {
    std::string said;
    if (glob.find('[') != std::string::npos) {
      said = Bracketed(glob, names);
    } else if (glob.find_first_of("*?") == std::string::npos) {
      said = DidYouMean(glob, names);
    }
    if (!said.empty()) return said;
  }
  return "";
}

std::string OtherFamily(const Analysis& analysis, const Policy& policy) {
  const auto is_this = [&policy](absl::string_view name) { return name == policy.name; };
  const auto built_in = std::any_of(BuiltinPolicies().begin(), BuiltinPolicies().end(),
                                    [&](const BuiltinPolicy& one) { return is_this(one.name); });
  const Family& family = FamilyOf(analysis);
  if (!built_in || is_this(family.policy)) return "";
  return absl::StrCat("; policy ", policy.name, " is not for such a model, '--policy ",
                      family.policy, "' is: ", family.evidence(analysis));
}

}  // namespace

std::string WhyUnmatched(const Analysis& analysis, const Policy& policy, const Rule& rule) {
  const Graph& graph = analysis.graph;
  std::string said = Misspelt(rule.match.names, NodeNames(graph));
  if (said.empty()) said = Misspelt(rule.match.weights, WeightNames(graph));
  return said.empty() && rule.mark.line > 0 ? OtherFamily(analysis, policy) : said;
}

}  // namespace onnxquant
