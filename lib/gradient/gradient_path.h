// Between the values whose gradients are asked for and the logits.
#ifndef ONNXQUANT_LIB_GRADIENT_GRADIENT_PATH_H_
#define ONNXQUANT_LIB_GRADIENT_GRADIENT_PATH_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

struct GradientPath {
  IdVector<bool> values;      // targets and what hangs on them, as far as the logits hang on it
  std::vector<NodeId> nodes;  // of the main graph that read such a value and make one, in order
};

// Float values alone: shapes and places carry no gradient.
GradientPath FindGradientPath(const Graph& graph, const ValueTypes& types,
                              absl::Span<const ValueId> targets, ValueId logits);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_GRADIENT_GRADIENT_PATH_H_
