#include "lib/policy/families.h"

#include <algorithm>
#include <iterator>

#include "lib/analysis/hazard_context.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

bool HasRole(const Analysis& analysis, Role role) {
  return std::any_of(analysis.roles.nodes.begin(), analysis.roles.nodes.end(),
                     [role](const NodeRole& node) { return node.Is(role); });
}

// Whether every branch that joins the residual stream ends in an RMS norm.
bool HasPostNorms(const Analysis& analysis) {
  const HazardContext walker(analysis.graph, analysis.types);
  const auto from_norm = [&](ValueId value) {
    const ValueId origin = walker.Origin(value);
    const NodeId node = walker.Producer(origin);
    if (node == kNone || walker.Output(node) != origin) return false;  // a Skip… norm's sum
    const bool norm =
        analysis.roles.spelt_norms.contains(node) || IsScaleInvariantNorm(analysis.graph, node);
    return norm && !TakesOutMean(analysis.graph, node, analysis.roles);
  };
  const std::vector<NodeId>& adds = analysis.residual.adds;
  return !adds.empty() && std::all_of(adds.begin(), adds.end(), [&](NodeId add) {
    return from_norm(walker.Input(add, 0)) || from_norm(walker.Input(add, 1));
  });
}

std::string AsGemma(const Analysis& analysis) {
  if (!IsGemma(analysis)) return "";
  return "it looks like Gemma 2 or 3: every branch of its residual stream ends in a norm";
}

bool HasLayerNorms(const Analysis& analysis) {
  const std::vector<NodeId>& order = analysis.graph.order();
  return std::any_of(order.begin(), order.end(),
                     [&](NodeId id) { return TakesOutMean(analysis.graph, id, analysis.roles); });
}

// Nothing bounds a stream whose branches end in products; those of several decoders, and of what is
// made of them without a head, are known to pass 65504.
std::string AsLanguageModel(const Analysis& analysis) {
  if (analysis.residual.adds.empty()) return "";
  const auto caches =
      std::any_of(analysis.roles.values.begin(), analysis.roles.values.end(),
                  [](const auto& value) { return value.second.role == Role::kKvCache; });
  if (caches) return "it is a language model: it has a key-value cache and a residual stream";
  if (!HasRole(analysis, Role::kEmbedding)) {
    if (!HasRole(analysis, Role::kLmHead)) return "";
    return "it is a language model: it has a residual stream and an lm_head";
  }
  if (!HasRole(analysis, Role::kLmHead)) {
    return HasLayerNorms(analysis)
               ? ""
               : "it is made of a language model: it has an embedding and a residual stream";
  }
  return "it is a language model: it has an embedding, a residual stream and an lm_head";
}

std::string AsAnything(const Analysis& /*analysis*/) {
  return "it belongs to no family that is known; what float16 gets wrong stays float32";
}

constexpr absl::string_view kHalfDtypes[] = {"fp16", "q4f16"};

constexpr Family kTable[] = {
    {"Gemma 2 or 3", "gemma-web", {}, AsGemma},
    {"a language model", "llm-web", {}, AsLanguageModel},
    {"any model", "transformersjs", kHalfDtypes, AsAnything},
};

}  // namespace

absl::Span<const Family> Families() {
  return kTable;
}

const Family& FamilyOf(const Analysis& analysis) {
  for (const Family& family : kTable) {
    if (!family.evidence(analysis).empty()) return family;
  }
  return *std::prev(std::end(kTable));
}

bool IsGemma(const Analysis& analysis) {
  const Role roles[] = {Role::kLmHead, Role::kNorm, Role::kResidual};
  return std::all_of(std::begin(roles), std::end(roles),
                     [&](Role role) { return HasRole(analysis, role); }) &&
         HasPostNorms(analysis);
}

}  // namespace onnxquant
