// Constants of the input where they are stored in the output.
#ifndef ONNXQUANT_LIB_REWRITE_STORED_WEIGHTS_H_
#define ONNXQUANT_LIB_REWRITE_STORED_WEIGHTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/rewrite/emit_input.h"
#include "lib/rewrite/graph_writer.h"

namespace onnxquant {

// The main graph's initializers that something reads.
void StoreInitializers(const EmitInput& input, GraphWriter& writer);

// A Constant node's value in each type that its readers need; a large one as initializer.
absl::Status EmitConstants(const EmitInput& input, NodeId id, GraphWriter& writer);

// The initializers of one stored copy, and the job that fills them; none for what nodes make.
void AddCopy(const onnx::TensorProto& source, const WeightCopy& copy, GraphWriter& writer);

// The tensor of a copy that is stored where the constant stands. `what` names the constant.
absl::StatusOr<onnx::TensorProto> SmallCopy(const Model& model, const onnx::TensorProto& source,
                                            const WeightCopy& copy, const std::string& what,
                                            std::vector<std::string>& warnings);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_STORED_WEIGHTS_H_
