// The traits of all nodes. A large model has few kinds of nodes: each kind is held once.
#ifndef ONNXQUANT_LIB_ANALYSIS_TRAITS_TABLE_H_
#define ONNXQUANT_LIB_ANALYSIS_TRAITS_TABLE_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/analysis/op_traits.h"
#include "lib/base/id_vector.h"

namespace onnxquant {

class TraitsTable {
 public:
  // The traits of the next node, in the order of NodeIds.
  void Add(const NodeTraits& traits) {
    const auto [it, added] = kinds_.try_emplace(traits, static_cast<std::uint32_t>(rows_.size()));
    if (added) rows_.push_back(traits);
    nodes_.push_back(it->second);
  }

  const NodeTraits& Of(NodeId id) const { return rows_[nodes_[id]]; }

 private:
  std::vector<NodeTraits> rows_;
  IdVector<std::uint32_t> nodes_;  // by NodeId: its row
  absl::flat_hash_map<NodeTraits, std::uint32_t> kinds_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_TRAITS_TABLE_H_
