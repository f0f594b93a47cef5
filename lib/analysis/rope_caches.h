// The tables of cosines and sines that rotary embeddings read, found by which slots read them.
#ifndef ONNXQUANT_LIB_ANALYSIS_ROPE_CACHES_H_
#define ONNXQUANT_LIB_ANALYSIS_ROPE_CACHES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/analysis/weight_uses.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// Two constants with a row for each position, which rotary embeddings read beside each other.
struct RopeCache {
  ValueId cosines = kNone;
  ValueId sines = kNone;
  std::vector<std::size_t> uses;  // every reading of either, indices into the weight uses
  // Why nothing can take the place of the two, or of some of their rows: a clause about them, ""
  // when something can.
  std::string refusal;
};

struct RopeCaches {
  std::vector<RopeCache> caches;                       // in the order of their first readers
  absl::flat_hash_map<ValueId, std::size_t> cache_of;  // by table: the first cache that has it
  // Nodes that make such a table from constants alone, when the model is loaded: they hold angles
  // up to the last position. In order; Casts of the table are none of them.
  std::vector<NodeId> makers;
};

// `uses` as FindWeightUses() gives them.
RopeCaches FindRopeCaches(const Graph& graph, const std::vector<WeightUse>& uses);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ROPE_CACHES_H_
