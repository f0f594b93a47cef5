// Whether values have types that the operators that read them take.
#ifndef ONNXQUANT_LIB_ANALYSIS_TYPE_CHECK_H_
#define ONNXQUANT_LIB_ANALYSIS_TYPE_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// Refuses (kModel) a node that ONNX defines and that reads a tensor of a type which its schema does
// not take, or tensors of several types where it wants one, or that makes another type than the
// model declares. Several types of real numbers pass: a
// forgotten Cast leaves them, and conversion puts it where it belongs. Only types that are beyond
// doubt count: of constants, of what declares itself, and of what operators make that ONNX defines
// too.
absl::Status CheckTypes(const Graph& graph, const ValueTypes& types, const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_TYPE_CHECK_H_
