// What ONNX's own inference knows of a model's types: a second opinion for values that the type
// table leaves open, such as what comes out of a sequence.
#ifndef ONNXQUANT_LIB_ANALYSIS_ONNX_INFERENCE_H_
#define ONNXQUANT_LIB_ANALYSIS_ONNX_INFERENCE_H_

#include <vector>

#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// By ValueId: the element type of each tensor that ONNX's shape inference types, kUndefined for the
// rest (it stops at operators that ONNX does not define). Works on a copy of the model's structure.
ValueTypes InferWithOnnx(const Graph& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ONNX_INFERENCE_H_
