// The readings of constants, by the node that reads.
#ifndef ONNXQUANT_LIB_POLICY_USES_BY_READER_H_
#define ONNXQUANT_LIB_POLICY_USES_BY_READER_H_

#include <cstddef>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/id_vector.h"

namespace onnxquant {

class UsesByReader {
 public:
  UsesByReader(const std::vector<WeightUse>& uses, std::size_t nodes)
      : first_(nodes + 1, 0), uses_(uses.size()) {
    for (const WeightUse& use : uses) ++first_[use.reader.node + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    IdVector<std::size_t> next = first_;
    for (std::size_t i = 0; i < uses.size(); ++i) uses_[next[uses[i].reader.node]++] = i;
  }

  // Indices into the readings, in order.
  absl::Span<const std::size_t> Of(NodeId reader) const {
    return absl::MakeConstSpan(uses_).subspan(first_[reader], first_[reader + 1] - first_[reader]);
  }

 private:
  IdVector<std::size_t> first_;  // by node: where its readings begin in uses_
  std::vector<std::size_t> uses_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_USES_BY_READER_H_
