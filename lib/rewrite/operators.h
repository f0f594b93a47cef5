// What becomes of single operators: attributes that name a type, and weights in other formats.
#ifndef ONNXQUANT_LIB_REWRITE_OPERATORS_H_
#define ONNXQUANT_LIB_REWRITE_OPERATORS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/formats/node_sink.h"
#include "lib/rewrite/rewrite_input.h"
#include "lib/rewrite/stored_constants.h"

namespace onnxquant {

// Each changes `node`, which is the source's node `id` with the output's names, where it is one
// that the step is for.

// Cast's `to`, RandomNormal's `dtype` …, and the value that ConstantOfShape repeats.
absl::Status SetOutputType(const RewriteInput& input, NodeId id, onnx::NodeProto& node,
                           std::vector<std::string>& warnings);

// Of nodes whose weights are 4-bit blocks already.
void SetAccuracyLevel(const RewriteInput& input, NodeId id, onnx::NodeProto& node);

// A CastLike to a float type becomes a Cast to its type: what it likens itself to may have got
// another. (ONNX Runtime also refuses some graphs with a CastLike in float16.)
void SpellCastLike(const RewriteInput& input, NodeId id, onnx::NodeProto& node);

// A node that reads a constant which is stored in codes becomes the nodes that read them.
void ReadCodes(const StoredConstants& constants, NodeId id, onnx::NodeProto& node, NodeSink& sink);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_OPERATORS_H_
