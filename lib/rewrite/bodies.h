// The bodies of If, Loop and Scan, and of other operators, whose nodes stay as they are.
#ifndef ONNXQUANT_LIB_REWRITE_BODIES_H_
#define ONNXQUANT_LIB_REWRITE_BODIES_H_

#include "absl/status/status.h"
#include "lib/rewrite/casts.h"
#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/graph_writer.h"

namespace onnxquant {

// Replaces the copied bodies of `node` by converted ones.
absl::Status EmitBodies(const EmitInput& input, NodeId owner, onnx::NodeProto& node,
                        GraphWriter& writer, CastTable& casts);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_BODIES_H_
