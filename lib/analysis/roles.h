// What each node is for: found by data flow, names only breaking ties.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROLES_H_
#define ONNXQUANT_LIB_ANALYSIS_ROLES_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/graph/graph.h"

namespace onnxquant {

enum class Role {
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
  int layer = kNone;     // transformer layer, from 0; kNone outside layers
  std::string evidence;  // why, for `inspect` and `plan --why`
};

struct Roles {
  std::vector<NodeRole> nodes;   // by NodeId
  std::vector<NodeRole> values;  // by ValueId; only kKvCache and kLogits
  int layers = 0;
};

// Linear in the graph's size but for the search that proves an Add to be residual, which is
// bounded.
Roles FindRoles(const Graph& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROLES_H_
