// Takes out of a model what nothing reads, before anything is decided about it.
#ifndef ONNXQUANT_LIB_MODEL_REMOVE_UNREAD_H_
#define ONNXQUANT_LIB_MODEL_REMOVE_UNREAD_H_

#include <cstddef>

#include "onnx/onnx_pb.h"

namespace onnxquant {

// Drops the nodes of the graph and of the graphs in it whose outputs lead to no graph output, and
// returns how many there were. Nodes may stand in any order. A graph
// that defines a value twice stays as it is, for whoever refuses it. Without this their weights
// would count as read, and be stored for nothing. Time is linear in the nodes' inputs.
std::size_t RemoveUnread(onnx::GraphProto& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_MODEL_REMOVE_UNREAD_H_
