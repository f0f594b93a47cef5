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
};

// roles.cc
void FindByOperator(const Graph& graph, Roles& roles);
void Assign(NodeId node, Role role, absl::string_view evidence, Roles& roles);
// The text as Roles keeps it.
absl::string_view Keep(absl::string_view text, Roles& roles);

// roles_embedding.cc
Embeddings FindEmbeddings(const Graph& graph, Roles& roles);
void FindLmHead(const Graph& graph, const Embeddings& embeddings, Roles& roles);

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
void FindKvCache(const RoleFacts& facts, const Embeddings& embeddings,
                 const std::vector<Attention>& attentions, Roles& roles);

// roles_mlp.cc
void FindMlps(const RoleFacts& facts, Roles& roles);

// roles_layers.cc
void NumberLayers(const Graph& graph, const Embeddings& embeddings,
                  const std::vector<Attention>& attentions, Roles& roles);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROLE_DETECTORS_H_
