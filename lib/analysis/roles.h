// What each node is for: found by data flow, names only breaking ties.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROLES_H_
#define ONNXQUANT_LIB_ANALYSIS_ROLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_set.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/id_vector.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// What each is stands in RoleNames().
enum class Role : std::uint8_t {
  kNone,
  kEmbedding,
  kPerLayerEmbedding,
  kPosition,
  kPatchEmbedding,
  kLmHead,
  kClassifier,
  kPooler,
  kNorm,
  kResidual,
  kQProj,
  kKProj,
  kVProj,
  kQkvProj,
  kOProj,
  kGateProj,
  kUpProj,
  kGateUpProj,
  kDownProj,
  kRouter,
  kExpert,
  kAttention,
  kCrossAttention,
  kSoftmax,
  kRope,
  kMask,
  kKvCache,
  kLogits,
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
  Role also = Role::kNone;     // which rules see as well: cross attention is attention
  int layer = kNone;           // transformer layer, from 0; kNone outside layers
  absl::string_view evidence;  // why, for `inspect` and `plan --why`; kept in Roles::texts

  bool Is(Role asked) const { return role == asked || also == asked; }
};

// A node that might have one of several roles. It has none, and `inspect` says why.
struct AmbiguousRole {
  NodeId node = kNone;
  std::string why;
};

struct Roles {
  Roles() = default;
  Roles(Roles&&) = default;  // not copied: evidence looks into `texts`
  Roles& operator=(Roles&&) = default;

  // What a value is for: kKvCache, kLogits, kMask, kPosition, kResidual (a graph output that is a
  // sum of the stream), or nothing that is known.
  NodeRole OfValue(ValueId id) const {
    const auto it = values.find(id);
    return it == values.end() ? NodeRole{} : it->second;
  }

  IdVector<NodeRole> nodes;                       // by NodeId
  absl::flat_hash_map<ValueId, NodeRole> values;  // of the few that have one
  // The last node of each norm that is spelt out, and whether the norm takes out the mean.
  absl::flat_hash_map<NodeId, bool> spelt_norms;
  std::vector<AmbiguousRole> ambiguous;
  int layers = 0;
  absl::node_hash_set<std::string> texts;  // each once, however many nodes it speaks of
};

// Linear in the graph's size but for the search that proves an Add to be residual, which is
// bounded.
Roles FindRoles(const Graph& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROLES_H_
