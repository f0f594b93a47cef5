// Rows of a tensor among those of a constant that has more, and the reverse: what fusing and
// splitting projections leaves.
#ifndef ONNXQUANT_LIB_CHECKPOINT_PARTS_H_
#define ONNXQUANT_LIB_CHECKPOINT_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/checkpoint/elementwise.h"
#include "lib/checkpoint/graph_weights.h"

namespace onnxquant {

// `rows` rows of a tensor from `row` on are lines of a constant, read one way, from `line` on. Of
// two vectors of different lengths each element is a row.
struct TensorPart {
  std::size_t way = 0;
  std::int64_t row = 0;
  std::int64_t rows = 0;
  std::int64_t line = 0;
  Transform transform = {};
};

ValueDifference ComparePart(const TensorRows& tensor, const GraphWeight& weight,
                            const TensorPart& part);

// All of the tensor, where it is a part of the constant and the same but for rounding. Constants of
// more than two axes are not looked into.
std::optional<TensorPart> PartOfConstant(const TensorRows& tensor, const GraphWeight& weight,
                                         std::size_t way);

// All of the constant, likewise, where it is a part of the tensor. Not of vectors.
std::optional<TensorPart> PartOfTensor(const TensorRows& tensor, const GraphWeight& weight,
                                       std::size_t way);

// The line of the constant that each row of the tensor is, where its lines are the tensor's rows in
// another order, as GGUF has those of Llama's queries and keys; empty where they are not.
std::vector<std::int64_t> LinesInOtherOrder(const TensorRows& tensor, const GraphWeight& weight,
                                            std::size_t way);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECKPOINT_PARTS_H_
