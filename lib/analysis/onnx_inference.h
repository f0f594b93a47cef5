// What ONNX's own inference knows of a model's types: a second opinion for values that the type
// table leaves open, such as what comes out of a sequence.
#ifndef ONNXQUANT_LIB_ANALYSIS_ONNX_INFERENCE_H_
#define ONNXQUANT_LIB_ANALYSIS_ONNX_INFERENCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// By ValueId: the element type of each tensor that ONNX's shape inference types, kUndefined for the
// rest (it stops at operators that ONNX does not define). Works on a copy of the model's structure.
ValueTypes InferWithOnnx(const Graph& graph);

// Dimensions that are no number: open, where a graph input has one of that name (a batch, a
// sequence); else only not known.
inline constexpr std::int64_t kOpenDim = -1;
inline constexpr std::int64_t kUnknownDim = -2;
using DimNames = absl::flat_hash_set<std::string>;
DimNames OpenDims(const Graph& graph);

// The dimensions of a tensor that is declared to have some.
std::optional<std::vector<std::int64_t>> DeclaredShape(const onnx::ValueInfoProto& info,
                                                       const DimNames& open);

// By ValueId: the dimensions of what the model does not declare, as far as ONNX's inference knows
// them.
using InferredShapes = absl::flat_hash_map<ValueId, std::vector<std::int64_t>>;
InferredShapes InferShapesWithOnnx(const Graph& graph, const DimNames& open);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_ONNX_INFERENCE_H_
