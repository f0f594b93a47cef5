// What each node is for: found by data flow, names only breaking ties.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROLES_H_
#define ONNXQUANT_LIB_ANALYSIS_ROLES_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/id_vector.h"
#include "lib/graph/graph.h"

namespace onnxquant {

enum class Role : std::uint8_t {
  kNone,
  kEmbedding,  // the Gather of a table by token ids, and the Mul that scales its output
  kLmHead,     // the MatMul (or Gemm) that makes logits over the embedding's vocabulary
  kNorm,       // LayerNormalization, SimplifiedLayerNormalization, RMSNormalization, Skip* forms
  kResidual,   // an Add that joins a branch to the stream that the branch was computed from
  kQProj,
  kKProj,
  kVProj,
  kOProj,
  kGateProj,
  kUpProj,
  kDownProj,
  kAttention,  // GroupQueryAttention, MultiHeadAttention, Attention, or the MatMuls of a decomposed
               // one
  kSoftmax,
  kRope,     // RotaryEmbedding
  kKvCache,  // on values only: graph inputs and outputs that carry past and present keys/values
  kLogits,   // on values only: the graph output that the lm_head feeds
  kConv,
};

// Names as policies write them; "" for kNone. One table, which the parser and `inspect` iterate.
struct RoleName {
  Role role;
  const char* name;
  const char* meaning;
};
absl::Span<const RoleName> RoleNames();
const char* NameOf(Role role);

struct NodeRole {
  Role role = Role::kNone;
  int layer = kNone;           // transformer layer, from 0; kNone outside layers
  absl::string_view evidence;  // why, for `inspect` and `plan --why`; kept in Roles::texts
};

struct Roles {
  Roles() = default;
  Roles(Roles&&) = default;  // not copied: evidence looks into `texts`
  Roles& operator=(Roles&&) = default;

  // What a value is for: kKvCache, kLogits, or nothing that is known.
  NodeRole OfValue(ValueId id) const {
    const auto it = values.find(id);
    return it == values.end() ? NodeRole{} : it->second;
  }

  IdVector<NodeRole> nodes;                       // by NodeId
  absl::flat_hash_map<ValueId, NodeRole> values;  // of the few that have one
  int layers = 0;
  absl::node_hash_set<std::string> texts;  // each once, however many nodes it speaks of
};

// Linear in the graph's size but for the search that proves an Add to be residual, which is
// bounded.
Roles FindRoles(const Graph& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROLES_H_
