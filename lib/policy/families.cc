#include "lib/policy/families.h"

#include <algorithm>
#include <iterator>

#include "lib/analysis/hazard_context.h"

namespace onnxquant {
namespace {

bool HasRole(const Analysis& analysis, Role role) {
  return std::any_of(analysis.roles.nodes.begin(), analysis.roles.nodes.end(),
                     [role](const NodeRole& node) { return node.role == role; });
}

// Whether every branch that joins the residual stream ends in an RMS norm.
bool HasPostNorms(const Analysis& analysis) {
  const HazardContext walker(analysis.graph, analysis.types);
  const auto from_norm = [&](ValueId value) {
    const NodeId node = walker.Producer(walker.Origin(value));
    if (node == kNone || !IsScaleInvariantNorm(analysis.graph, node)) return false;
    return analysis.graph.node(node).proto->op_type() != "LayerNormalization";
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

bool HasLayerNorms(const Graph& graph) {
  return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
    const std::string& op = node.proto->op_type();
    return op == "LayerNormalization" || op == "SkipLayerNormalization";
  });
}

// Nothing bounds a stream whose branches end in products; those of several decoders, and of what is
// made of them without a head, are known to pass 65504.
std::string AsLanguageModel(const Analysis& analysis) {
  if (analysis.residual.adds.empty()) return "";
  const auto caches =
      std::any_of(analysis.roles.values.begin(), analysis.roles.values.end(),
                  [](const auto& value) { return value.second.role == Role::kKvCache; });
  if (caches) return "it is a language model: it has a key-value cache and a residual stream";
  if (!HasRole(analysis, Role::kEmbedding)) return "";
  if (!HasRole(analysis, Role::kLmHead)) {
    return HasLayerNorms(analysis.graph)
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
  const Role roles[] = {Role::kEmbedding, Role::kLmHead, Role::kNorm, Role::kResidual};
  return std::all_of(std::begin(roles), std::end(roles),
                     [&](Role role) { return HasRole(analysis, role); }) &&
         HasPostNorms(analysis);
}

}  // namespace onnxquant
