// The steps of Rewrite(), in the order in which Run() calls them.
#ifndef ONNXQUANT_LIB_REWRITE_GRAPH_REWRITER_H_
#define ONNXQUANT_LIB_REWRITE_GRAPH_REWRITER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/rewrite/rewrite.h"

namespace onnxquant {

class GraphRewriter {
 public:
  GraphRewriter(const Model& model, const Analysis& analysis, const OutputPlan& plan);
  absl::StatusOr<Rewritten> Run();

 private:
  // graph_rewriter.cc
  void StartFromTheInput();
  void NameOutputs();
  absl::Status EmitNodes();
  absl::Status EmitNode(NodeId id);
  absl::Status SetOutputType(NodeId id, onnx::NodeProto& node);
  void EmitMatMulNBits(NodeId id, const WeightCopy& copy, onnx::NodeProto& node);
  void RenameCaptured(NodeId owner, onnx::NodeProto& node);
  void DeclareTypes();
  void AddProvenance();

  // casts.cc
  std::string InputName(const Use& use);
  std::string CastOf(ValueId value, ElementType to);
  std::string EmitCast(const std::string& input, ElementType to, const std::string& output);
  bool IsFoldedCast(NodeId id) const;

  // stored_weights.cc
  void StoreInitializers();
  absl::Status EmitConstants(NodeId id);
  const WeightCopy* CopyReadBy(const Use& use) const;
  void AddCopy(const onnx::TensorProto& source, const WeightCopy& copy);
  int AddInitializer(const std::string& name, ElementType type,
                     const std::vector<std::int64_t>& dims);

  std::string UniqueValue(const std::string& wanted);
  std::string UniqueNode(const std::string& wanted);
  ElementType TypeOf(ValueId value) const { return plan_.types[static_cast<std::size_t>(value)]; }
  ElementType OriginalType(ValueId value) const {
    return analysis_.types[static_cast<std::size_t>(value)];
  }
  const NodePlan& PlanOf(NodeId id) const { return plan_.nodes[static_cast<std::size_t>(id)]; }
  const NodeTraits& Traits(NodeId id) const {
    return analysis_.traits[static_cast<std::size_t>(id)];
  }

  const Model& model_;
  const Analysis& analysis_;
  const Graph& graph_;
  const OutputPlan& plan_;
  Rewritten result_;
  onnx::GraphProto* out_ = nullptr;
  std::vector<std::string> names_;  // by ValueId: what the value is called now
  absl::flat_hash_map<std::pair<ValueId, ElementType>, std::string> casts_;
  absl::flat_hash_map<std::pair<std::string, ElementType>, std::string> constant_casts_;
  absl::flat_hash_map<std::pair<NodeId, int>, const WeightCopy*> copy_read_by_;
  absl::flat_hash_map<ValueId, const WeightPlan*> weights_;
  absl::flat_hash_map<NodeId, std::vector<Use>> captured_;  // by main-graph node: its bodies' reads
  absl::flat_hash_map<ValueId, ElementType> output_types_;  // float graph outputs
  absl::flat_hash_set<std::string> value_names_;
  absl::flat_hash_set<std::string> node_names_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_GRAPH_REWRITER_H_
