// Nodes of a rewritten graph in the form in which they are written: a tenth of what they take as
// messages, so that a model of a million nodes need not be in memory twice.
#ifndef ONNXQUANT_LIB_REWRITE_SEALED_NODES_H_
#define ONNXQUANT_LIB_REWRITE_SEALED_NODES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

class SealedNodes {
 public:
  // Adds the graph's nodes, which leave it.
  void Take(onnx::GraphProto& graph);

  bool empty() const { return batches_.empty(); }

  // Keeps the nodes of which `keep` says so, asked from the last to the first.
  void FilterBackwards(absl::FunctionRef<bool(const onnx::NodeProto&)> keep);

  void ForEach(absl::FunctionRef<void(const onnx::NodeProto&)> visit) const;

  // The nodes as fields of a serialized GraphProto.
  std::string Fields() &&;

 private:
  // What one Take() brought: of a buffer for all of them, growing would hold twice as much.
  struct Batch {
    std::string fields;
    std::vector<std::uint32_t> sizes;  // of each node's message, without the field's header
  };

  static void Filter(Batch& batch, absl::FunctionRef<bool(const onnx::NodeProto&)> keep);

  std::vector<Batch> batches_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_SEALED_NODES_H_
