// The stages of FindRoles(), in its order. Each reads the roles that earlier ones gave and adds its
// own; of a node that has a role already, the first one stays.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROLE_DETECTORS_H_
#define ONNXQUANT_LIB_ANALYSIS_ROLE_DETECTORS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "lib/analysis/graph_walk.h"
#include "lib/analysis/roles.h"
#include "lib/analysis/weight_nodes.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// What the detectors ask of a graph again and again.
struct RoleFacts {
  explicit RoleFacts(const Graph& of)
      : graph(of), place(PlacesInOrder(of)), uncast(Uncast(of)), weights(FindWeightNodes(of)) {}

  const Graph& graph;
  IdVector<int> place;       // by NodeId
  IdVector<ValueId> uncast;  // by ValueId
  WeightNodes weights;
};

// The tables that are gathered by token ids.
struct Embeddings {
  absl::flat_hash_set<ValueId> tables;
  absl::flat_hash_set<std::int64_t> vocabularies;  // the tables' rows
};

// One attention: the op itself, or the Softmax of a decomposed one with its two MatMuls.
struct Attention {
  NodeId node = kNone;
  ValueId query = kNone, key = kNone, value = kNone;
  ValueId output = kNone;
  NodeId scores = kNone;   // of a decomposed one: the product before the Softmax,
  NodeId context = kNone;  // and the one after it
};

// roles.cc
void FindByOperator(const Graph& graph, Roles& roles);
void Assign(NodeId node, Role role, absl::string_view evidence, Roles& roles);
// Gives a node that may have a role already a narrower one, and keeps the wider as `also`.
void Refine(NodeId node, Role role, absl::string_view evidence, Roles& roles);
// The text as Roles keeps it.
absl::string_view Keep(absl::string_view text, Roles& roles);

// roles_norms.cc
// Whether the last node of a norm, spelt out or not, belongs to one that takes out the mean.
bool TakesOutMean(const Graph& graph, NodeId norm, const Roles& roles);
void FindSpeltNorms(const RoleFacts& facts, Roles& roles);

// roles_embedding.cc
Embeddings FindEmbeddings(const Graph& graph, Roles& roles);
// Whether the value is a graph input of integers.
bool IsIntegerInput(const Value& value);

// roles_lm_head.cc
void FindLmHead(const RoleFacts& facts, const Embeddings& embeddings,
                const std::vector<Attention>& attentions, Roles& roles);
// The graph output, also of a body, that the node's output becomes without further weights; kNone
// if there is none, or if anything else is made of it too.
ValueId OutputAfter(const Graph& graph, NodeId node, VisitedNodes& visited);

// roles_heads.cc: classifiers and poolers
void FindHeads(const RoleFacts& facts, const std::vector<Attention>& attentions, Roles& roles);

// roles_experts.cc
void FindExperts(const RoleFacts& facts, Roles& roles);

// roles_positions.cc
void FindPositions(const RoleFacts& facts, Roles& roles);

// roles_vision.cc
void FindPatchEmbeddings(const RoleFacts& facts, Roles& roles);

// roles_per_layer.cc
void FindPerLayerEmbeddings(const Graph& graph, Roles& roles);

// roles_inputs.cc: what graph inputs are for, and outputs of the stream itself
void FindInputs(const RoleFacts& facts, const std::vector<Attention>& attentions, Roles& roles);

// roles_residual.cc
void FindResiduals(const RoleFacts& facts, Roles& roles);

// roles_attention.cc
std::vector<Attention> FindAttentions(const Graph& graph, Roles& roles);

// roles_projections.cc
void FindProjections(const RoleFacts& facts, const std::vector<Attention>& attentions,
                     Roles& roles);

// The nearest projections from which values are computed. The roles that end the search, residual,
// embedding and attention, must have been given before.
class NearestProjections {
 public:
  NearestProjections(const RoleFacts& facts, const Roles& roles)
      : facts_(facts), roles_(roles), visited_(facts.graph) {}
  const std::vector<NodeId>& Behind(ValueId value);

 private:
  const RoleFacts& facts_;
  const Roles& roles_;
  VisitedNodes visited_;
  absl::flat_hash_map<ValueId, std::vector<NodeId>> found_;
};

// roles_cache.cc
// The graph output that hands the value out, through the branches of an If and a last Identity,
// Cast or Transpose; kNone if there is none.
ValueId HandedOutAs(const Graph& graph, ValueId value);
void FindKvCache(const RoleFacts& facts, const Embeddings& embeddings,
                 const std::vector<Attention>& attentions, Roles& roles);

// roles_cross_attention.cc
void FindCrossAttentions(const RoleFacts& facts, const Embeddings& embeddings,
                         const std::vector<Attention>& attentions, Roles& roles);

// roles_mlp.cc
void FindMlps(const RoleFacts& facts, Roles& roles);

// roles_layers.cc
// By NodeId: whether it is computed from the embedding; without one, from float graph inputs other
// than the cache.
IdVector<bool> DescendsFromStream(const Graph& graph, const Embeddings& embeddings,
                                  const Roles& roles);
void NumberLayers(const Graph& graph, const Embeddings& embeddings,
                  const std::vector<Attention>& attentions, Roles& roles);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROLE_DETECTORS_H_
