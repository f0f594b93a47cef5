// Removes what nothing reads any more.
#ifndef ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_
#define ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_

#include "onnx/onnx_pb.h"

namespace onnxquant {

// Drops the graph's nodes none of whose outputs is read by a node, a body or a graph output.
// Initializers stay: the plan stores none without a reader.
void RemoveDead(onnx::GraphProto& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_
