// The float constants of a model as matrices, whichever way a checkpoint may have them.
#ifndef ONNXQUANT_LIB_CHECKPOINT_GRAPH_WEIGHTS_H_
#define ONNXQUANT_LIB_CHECKPOINT_GRAPH_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/lattice/value_matrix.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"

namespace onnxquant {

struct GraphWeight {
  std::string name;
  ElementType type = ElementType::kFloat;
  std::vector<std::int64_t> dims;
  std::string role;  // of a node that reads it
  // As it lies, then with its last two axes swapped; of a vector one, with a single line.
  std::vector<ValueMatrix> ways;
};

// Dims without those of size 1.
std::vector<std::int64_t> Squeezed(absl::Span<const std::int64_t> dims);

// How many weights the graph has in codes of eight bits and fewer: of each node the largest such
// constant that it reads.
int CountCodedWeights(const Analysis& analysis);

// float32, float16 and bfloat16 constants with eight elements or more, in the graph's order, but
// for the scales of codes.
absl::StatusOr<std::vector<GraphWeight>> FindGraphWeights(const Analysis& analysis,
                                                          const Model& model);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_GRAPH_WEIGHTS_H_
