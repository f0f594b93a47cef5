// The steps of Rewrite(), in the order in which Run() calls them.
#ifndef ONNXQUANT_LIB_REWRITE_GRAPH_REWRITER_H_
#define ONNXQUANT_LIB_REWRITE_GRAPH_REWRITER_H_

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/unique_names.h"
#include "lib/rewrite/rewrite.h"
#include "lib/rewrite/sealed_nodes.h"

namespace onnxquant {

class GraphRewriter : private NodeSink {
 public:
  GraphRewriter(const Model& model, const Analysis& analysis, const OutputPlan& plan,
                int sealed_at_once);
  absl::StatusOr<Rewritten> Run();

 private:
  // The stored form that a slot reads, itself or (not `directly`) through a Transpose.
  struct Reading {
    const WeightCopy* copy = nullptr;
    bool directly = false;
  };

  // graph_rewriter.cc
  void StartFromTheInput();
  void NameOutputs();
  void EmitOutputCast(ValueId output);
  absl::Status EmitNodes(ScopeId scope, onnx::GraphProto& out);
  absl::Status EmitNode(NodeId id);

  // bodies.cc
  absl::Status EmitBodies(NodeId owner, onnx::NodeProto& node);
  absl::Status EmitBody(ScopeId scope, onnx::GraphProto& body);
  void NameBodyOutputs(ScopeId scope);
  absl::Status EmitBodyInitializers(ScopeId scope, onnx::GraphProto& body);

  // operators.cc
  absl::Status SetOutputType(NodeId id, onnx::NodeProto& node);
  void RequireOpset(const char* domain, int version) override;
  void SetAccuracyLevel(NodeId id, onnx::NodeProto& node) const;
  void SpellCastLike(NodeId id, onnx::NodeProto& node) const;
  void ReadCodes(NodeId id, onnx::NodeProto& node);
  onnx::NodeProto& AddNode() override;
  std::string Once(const std::string& key, const std::function<std::string()>& make) override;

  // declarations.cc
  void DeclareInputsAndOutputs();
  void DeclareValues(ScopeId scope, onnx::GraphProto& out) const;
  void CountValues();
  void AddProvenance();

  // casts.cc
  std::string InputName(const Use& use);
  enum class Look { kAround, kHere };  // where for a Cast that stands already
  std::string CastOf(ValueId value, ElementType to, Look look = Look::kAround);
  std::string CastOfConstant(const std::string& name, ElementType to);
  std::string EmitCast(const std::string& input, ElementType to, const std::string& output);

  // residual.cc
  void ScaleEpsilon(NodeId id, onnx::NodeProto& node) const;
  std::string ScaledInputName(const Use& use, const std::string& name);
  std::string ScalarConstant(double number, ElementType type, const std::string& wanted);
  void EmitWithClip(NodeId id, onnx::NodeProto node);

  // stored_weights.cc
  void StoreInitializers();
  absl::Status EmitConstants(NodeId id);
  Reading CopyReadBy(const Use& use) const;
  void AddCopy(const onnx::TensorProto& source, const WeightCopy& copy);
  absl::StatusOr<onnx::TensorProto> SmallCopy(const onnx::TensorProto& source,
                                              const WeightCopy& copy, const std::string& what);
  int AddInitializer(const std::string& name, ElementType type,
                     const std::vector<std::int64_t>& dims);

  std::string UniqueValue(const std::string& wanted) override;
  std::string UniqueNode(const std::string& wanted) override;
  // Itself, or what stands for it where the plan leaves out what made it.
  ValueId ReadInPlaceOf(ValueId value) const {
    return plan_.read_in_place[static_cast<std::size_t>(value)];
  }
  ElementType TypeOf(ValueId value) const { return plan_.types[static_cast<std::size_t>(value)]; }
  bool IsFloatValue(ValueId value) const { return IsFloat(OriginalType(value)); }
  ElementType OriginalType(ValueId value) const {
    return analysis_.types[static_cast<std::size_t>(value)];
  }
  const NodePlan& PlanOf(NodeId id) const { return plan_.nodes[static_cast<std::size_t>(id)]; }
  const NodeTraits& Traits(NodeId id) const { return analysis_.Traits(id, plan_.half); }

  const Model& model_;
  const Analysis& analysis_;
  const Graph& graph_;
  const OutputPlan& plan_;
  const int sealed_at_once_;
  SealedNodes sealed_;  // of the main graph
  Rewritten result_;
  onnx::GraphProto* main_ = nullptr;  // of the result
  onnx::GraphProto* out_ = nullptr;   // the graph that nodes are added to: main_ or a body
  ScopeId scope_ = kMainScope;        // the scope that out_ comes from
  std::vector<std::string> names_;    // by ValueId: what the value is called now
  // What is there already, by the scope in which it stands.
  absl::flat_hash_map<std::tuple<ScopeId, ValueId, ElementType>, std::string> casts_;
  absl::flat_hash_map<std::tuple<ScopeId, std::string, ElementType>, std::string> constant_casts_;
  absl::flat_hash_map<std::tuple<ScopeId, std::string, int>, std::string> scaled_;
  absl::flat_hash_map<std::pair<ScopeId, std::string>, std::string> made_once_;
  absl::flat_hash_map<std::pair<NodeId, int>, Reading> copy_read_by_;
  absl::flat_hash_map<ValueId, const WeightPlan*> weights_;
  // Float graph outputs whose type is not the one in which they are made. Ordered, because names
  // are given in its order.
  absl::btree_map<ValueId, ElementType> output_types_;
  UniqueNames value_names_;  // they look into the input and the plan
  UniqueNames node_names_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_REWRITE_GRAPH_REWRITER_H_
