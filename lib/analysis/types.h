// Element types of all values, also past operators that ONNX's own inference does not know.
#ifndef ONNXQUANT_LIB_ANALYSIS_TYPES_H_
#define ONNXQUANT_LIB_ANALYSIS_TYPES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/graph/graph.h"
#include "lib/model/element_type.h"

namespace onnxquant {

// By ValueId. kUndefined: not a tensor (sequence, map, optional), or made by an operator that
// neither ONNX's schemas nor the table in op_traits.cc knows and that the model does not declare.
using ValueTypes = IdVector<ElementType>;

// Follows the type constraints of ONNX's operator schemas at the model's opsets, the rows of
// op_traits.cc for com.microsoft, and the attributes that name a type; what then remains is taken
// from the model's own declarations. Refuses (kModel) element types that ONNX does not define.
absl::StatusOr<ValueTypes> InferTypes(const Graph& graph, const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_TYPES_H_
