// What a model with float16 values gives on hardware that computes them in float16, shown on any
// processor. ONNX Runtime's CPU provider does not show it: it computes float16 graphs in float32
// and never rounds in between.
#ifndef ONNXQUANT_LIB_SIMULATE_SIMULATE_HALF_H_
#define ONNXQUANT_LIB_SIMULATE_SIMULATE_HALF_H_

#include <string>

#include "absl/status/statusor.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// A model with the same inputs, outputs, weights and float16 values, in which every node that reads
// float16 computes in float32, and each of its float16 results is rounded (to nearest, ties to
// even, beyond 65504 to infinity) before anything reads it. The values keep their names and types.
//
// Inside a node the types are those of ONNX Runtime's WebGPU kernels: norms and softmax keep their
// statistics in float32, but the sum that a skip norm normalizes is float16, and so are the sums of
// means, norms (ReduceL1, ReduceL2) and global pooling: as kernels add in an order of their own,
// the sum of magnitudes stands for every partial sum. The products that a MatMul adds up count by
// their total alone, and so do an attention operator's scores.
//
// To be run without graph optimization, which would take the roundings out. Weights in other files
// are referred to as in `model`. Errors are kModel (see Graph::Build and InferTypes); `origin`
// names the model in them.
absl::StatusOr<onnx::ModelProto> SimulateHalf(const onnx::ModelProto& model,
                                              const std::string& origin);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SIMULATE_SIMULATE_HALF_H_
