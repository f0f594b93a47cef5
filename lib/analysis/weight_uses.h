// Which nodes read which float constants, seen through the Transposes and Casts between them.
#ifndef ONNXQUANT_LIB_ANALYSIS_WEIGHT_USES_H_
#define ONNXQUANT_LIB_ANALYSIS_WEIGHT_USES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// One reading of a constant. Where a Transpose, Identity, or Cast from one float type to another
// stands between, it is part of the reading: `chain` lists such nodes from the constant on.
struct WeightUse {
  ValueId weight = kNone;
  Use direct;  // the slot that reads the constant itself
  Use reader;  // the slot that reads the end of the chain; == direct without one
  std::vector<NodeId> chain;
  bool transposed = false;  // the reader sees a 2-D constant with its axes swapped
};

// The tensor behind a constant: an initializer's, or the one in a Constant node's `value`; null for
// anything else, Constant nodes that spell their value otherwise (value_float …) included.
const onnx::TensorProto* ConstantTensor(const Graph& graph, ValueId value);

// The shape of a dense numeric constant, however it is spelt; nothing for any other value, kNone
// included.
std::optional<std::vector<std::int64_t>> ConstantShape(const Graph& graph, ValueId value);

// Whether the value is a dense constant that a conversion may store in another type: an initializer
// that is not also a graph input or output, or a Constant node's output, in an open scope (see
// op_traits.h).
bool IsConvertibleConstant(const Graph& graph, ValueId value);

// All readings of the convertible constants of any float type, in the order of the graph's values.
std::vector<WeightUse> FindWeightUses(const Graph& graph, const ValueTypes& types);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_WEIGHT_USES_H_
