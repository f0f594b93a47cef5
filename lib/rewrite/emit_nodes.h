// The nodes of the input as they stand in the output, and the Casts that they need.
#ifndef ONNXQUANT_LIB_REWRITE_EMIT_NODES_H_
#define ONNXQUANT_LIB_REWRITE_EMIT_NODES_H_

#include "absl/status/status.h"
#include "lib/rewrite/casts.h"
#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/graph_writer.h"

namespace onnxquant {

// All nodes, bodies included.
absl::Status EmitMainGraph(const EmitInput& input, GraphWriter& writer, CastTable& casts);

// The nodes of one graph, which the writer has open.
absl::Status EmitNodes(const EmitInput& input, ScopeId scope, GraphWriter& writer,
                       CastTable& casts);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_EMIT_NODES_H_
