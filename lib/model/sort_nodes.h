// Puts a model's nodes into the order that ONNX asks for.
#ifndef ONNXQUANT_LIB_MODEL_SORT_NODES_H_
#define ONNXQUANT_LIB_MODEL_SORT_NODES_H_

#include "onnx/onnx_pb.h"

namespace onnxquant {

// Puts the nodes of the graph and of the graphs in it behind those that make what they read, as
// early as the old order has them, and returns whether any moved. ONNX Runtime takes the main
// graph's nodes in any order, ONNX's inference does not. A graph with a cycle stays as it is.
bool SortNodes(onnx::GraphProto& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_SORT_NODES_H_
