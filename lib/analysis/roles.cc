#include "lib/analysis/roles.h"

#include "absl/strings/str_cat.h"
#include "lib/analysis/residual_stream.h"
#include "lib/analysis/role_detectors.h"

namespace onnxquant {
namespace {

constexpr RoleName kRoleNames[] = {
    {Role::kEmbedding, "embedding",
     "the Gather of a table by token ids, and the Mul that scales it"},
    {Role::kPerLayerEmbedding, "per_layer_embedding",
     "an embedding whose rows hold a part for each layer; also an embedding"},
    {Role::kPosition, "position",
     "what adds or gathers learnt positions, the latter also an embedding; and graph inputs that "
     "count positions"},
    {Role::kPatchEmbedding, "patch_embedding",
     "the convolution that cuts an image into patches; also a conv"},
    {Role::kLmHead, "lm_head", "the MatMul that makes logits over the embedding's vocabulary"},
    {Role::kClassifier, "classifier", "a last product that makes scores or boxes, not of tokens"},
    {Role::kPooler, "pooler", "a product with one position of the stream, or a mean over them"},
    {Role::kNorm, "norm",
     "LayerNormalization and its kin, Skip* forms and those spelt out included"},
    {Role::kResidual, "residual",
     "an Add that joins a branch to the stream it was computed from; Skip* norms are this also"},
    {Role::kQProj, "q_proj", "the projection that makes an attention's queries"},
    {Role::kKProj, "k_proj", "the projection that makes an attention's keys"},
    {Role::kVProj, "v_proj", "the projection that makes an attention's values"},
    {Role::kQkvProj, "qkv_proj", "one projection that makes more than one of the three"},
    {Role::kOProj, "o_proj", "the projection of an attention's output"},
    {Role::kGateProj, "gate_proj", "an MLP's projection that goes through the activation"},
    {Role::kUpProj, "up_proj", "an MLP's projection to its inner width"},
    {Role::kGateUpProj, "gate_up_proj", "one projection that makes gate and up; also an up_proj"},
    {Role::kDownProj, "down_proj", "an MLP's projection back to the stream"},
    {Role::kRouter, "router", "the product whose largest results choose experts"},
    {Role::kExpert, "expert", "a product of an expert, or the operator that holds them all"},
    {Role::kAttention, "attention", "an attention operator, or the MatMuls of a decomposed one"},
    {Role::kCrossAttention, "cross_attention",
     "an attention to what the stream is not; also an attention"},
    {Role::kSoftmax, "softmax", "Softmax"},
    {Role::kRope, "rope", "RotaryEmbedding"},
    {Role::kMask, "mask", "graph inputs that say which positions an attention may see"},
    {Role::kKvCache, "kv_cache",
     "graph inputs and outputs that carry past and present keys, values"},
    {Role::kLogits, "logits", "the graph output that the lm_head feeds"},
    {Role::kConv, "conv", "Conv and ConvTranspose"},
};

}  // namespace

absl::Span<const RoleName> RoleNames() {
  return kRoleNames;
}

const char* NameOf(Role role) {
  for (const RoleName& row : kRoleNames) {
    if (row.role == role) return row.name;
  }
  return "";
}

Roles FindRoles(const Graph& graph) {
  Roles roles;
  roles.nodes.resize(graph.nodes().size());
  const RoleFacts facts(graph);
  FindByOperator(graph, roles);
  FindSpeltNorms(facts, roles);
  const Embeddings embeddings = FindEmbeddings(graph, roles);
  FindResiduals(facts, roles);
  const std::vector<Attention> attentions = FindAttentions(graph, roles);
  FindProjections(facts, attentions, roles);
  FindKvCache(facts, embeddings, attentions, roles);
  FindLmHead(facts, embeddings, attentions, roles);
  FindMlps(facts, roles);
  FindExperts(facts, roles);
  FindHeads(facts, attentions, roles);
  NumberLayers(graph, embeddings, attentions, roles);
  // What is a special kind of something is so at the end, when all that looks for the wider role
  // has.
  FindCrossAttentions(facts, embeddings, attentions, roles);
  FindPositions(facts, roles);
  FindPerLayerEmbeddings(graph, roles);
  FindPatchEmbeddings(facts, roles);
  FindInputs(facts, attentions, roles);
  return roles;
}

absl::string_view Keep(absl::string_view text, Roles& roles) {
  return *roles.texts.emplace(text).first;
}

void Assign(NodeId node, Role role, absl::string_view evidence, Roles& roles) {
  NodeRole& slot = roles.nodes[node];
  if (slot.role != Role::kNone) return;
  slot.role = role;
  slot.evidence = Keep(evidence, roles);
}

void Refine(NodeId node, Role role, absl::string_view evidence, Roles& roles) {
  NodeRole& slot = roles.nodes[node];
  if (slot.role != role) slot.also = slot.role;
  slot.role = role;
  slot.evidence = Keep(evidence, roles);
}

void FindByOperator(const Graph& graph, Roles& roles) {
  for (const NodeId id : graph.order()) {
    const auto assign = [&](Role role) {
      Assign(id, role, absl::StrCat("the operator is ", graph.OpName(id)), roles);
    };
    if (IsAnyOf(graph, id,
                {"LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization",
                 "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"})) {
      assign(Role::kNorm);
      if (IsSkipNorm(graph, id)) roles.nodes[id].also = Role::kResidual;
    } else if (IsAnyOf(graph, id, {"RotaryEmbedding"})) {
      assign(Role::kRope);
    } else if (IsAnyOf(graph, id, {"Conv", "ConvTranspose"})) {
      assign(Role::kConv);
    } else if (IsAnyOf(graph, id, {"Softmax"})) {
      assign(Role::kSoftmax);
    }
  }
}

}  // namespace onnxquant
