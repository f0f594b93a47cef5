// Fills of attention masks on the way to a softmax: how far each may go where that is in float16.
#ifndef ONNXQUANT_LIB_ANALYSIS_MASK_SUMS_H_
#define ONNXQUANT_LIB_ANALYSIS_MASK_SUMS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

struct MaskLimit {
  double limit = 0;  // a number that float16 holds: fills stay within ±this
  std::string why;   // "2 fills of masks are added on the way to Softmax 'p'"
  // The nodes that bring the fill to what reads the mask, and those: where one of them computes in
  // float16, the constant must stay within the limit in float32 as well.
  std::vector<NodeId> way = {};
};

// By constant: an initializer, or what a Constant or ConstantOfShape makes. Where fills are added,
// so far that their sum stays within 65504; where a Where puts a fill in the scores' place, as far
// as float16 goes. A softmax that reads minus infinity alone gives NaN: in float32 the same row is
// finite, and so it has to be in float16.
// Linear in the graph's size; the numbers of large constants are not read: whatever is added is
// taken for a fill.
using MaskLimits = absl::flat_hash_map<ValueId, MaskLimit>;
MaskLimits FindMaskLimits(const Graph& graph, const ValueTypes& types);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_MASK_SUMS_H_
