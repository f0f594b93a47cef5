// How many dimensions values have.
#ifndef ONNXQUANT_LIB_ANALYSIS_RANKS_H_
#define ONNXQUANT_LIB_ANALYSIS_RANKS_H_

#include "lib/graph/graph.h"

namespace onnxquant {

// As the model declares it, or as it follows from what the value is made of by operators that keep
// it (activations, norms, products with a matrix); -1 where neither says.
int RankOf(const Graph& graph, ValueId value);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_RANKS_H_
