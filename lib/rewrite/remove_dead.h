// Removes what nothing reads any more.
#ifndef ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_
#define ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "lib/rewrite/rewrite.h"
#include "lib/rewrite/sealed_nodes.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

// Drops the graph's nodes none of whose outputs is read by a node, a body or a graph output. Those
// that are sealed come before the others. Returns what the remaining nodes and the outputs read
// that no node makes.
absl::flat_hash_set<std::string> RemoveDead(onnx::GraphProto& graph, SealedNodes& sealed);

// Drops the initializers of a body that nothing in it reads.
void RemoveUnreadInitializers(onnx::GraphProto& body);

// Drops those of the new main graph that are not among the names `read`, with what fills them: of a
// CastLike whose type is spelt out, for instance, the operand that gave the type; of codes, parts
// that their readers do without, such as zero points that are all zero.
void RemoveUnreadInitializers(Rewritten& result, absl::flat_hash_set<std::string> read);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_REMOVE_DEAD_H_
