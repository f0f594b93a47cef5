// Removes what nothing reads any more.
#ifndef ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_
#define ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_

#include "lib/rewrite/rewrite.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Drops the graph's nodes none of whose outputs is read by a node, a body or a graph output.
void RemoveDead(onnx::GraphProto& graph);

// Drops the initializers of a body that nothing in it reads.
void RemoveUnreadInitializers(onnx::GraphProto& body);

// Drops those of the new main graph, with what fills them: of a CastLike whose type is spelt out,
// for instance, the operand that gave the type.
void RemoveUnreadInitializers(Rewritten& result);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_
