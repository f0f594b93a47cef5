// The traits of all nodes. A large model has few kinds of nodes: each kind is held once.
#ifndef ONNXQUANT_LIB_ANALYSIS_TRAITS_TABLE_H_
#define ONNXQUANT_LIB_ANALYSIS_TRAITS_TABLE_H_

#include <cstddef>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/analysis/op_traits.h"

namespace onnxquant {

class TraitsTable {
 public:
  TraitsTable() = default;
  TraitsTable(TraitsTable&&) = default;  // the nodes' pointers stay: what is moved from keeps none
  TraitsTable& operator=(TraitsTable&&) = default;

  // The traits of the next node, in the order of NodeIds.
  void Add(const NodeTraits& traits) {
    const auto [it, added] = kinds_.try_emplace(traits, nullptr);
    if (added) it->second = &rows_.emplace_back(traits);
    nodes_.push_back(it->second);
  }

  const NodeTraits& Of(NodeId id) const { return *nodes_[static_cast<std::size_t>(id)]; }

 private:
  std::deque<NodeTraits> rows_;
  std::vector<const NodeTraits*> nodes_;
  absl::flat_hash_map<NodeTraits, const NodeTraits*> kinds_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_TRAITS_TABLE_H_
