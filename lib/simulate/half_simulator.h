// The work behind SimulateHalf().
#ifndef ONNXQUANT_LIB_SIMULATE_HALF_SIMULATOR_H_
#define ONNXQUANT_LIB_SIMULATE_HALF_SIMULATOR_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "lib/analysis/types.h"
#include "lib/graph/graph.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {

class HalfSimulator {
 public:
  HalfSimulator(const Graph& graph, const ValueTypes& types);
  onnx::ModelProto Run();

 private:
  // half_simulator.cc
  bool IsHalf(ValueId value) const {
    return value != kNone && types_[static_cast<std::size_t>(value)] == ElementType::kFloat16;
  }
  bool Widens(NodeId node) const;
  void FindReadWide();
  void EmitScope(ScopeId scope, onnx::GraphProto& out);
  void EmitNode(NodeId id, onnx::GraphProto& out);
  void ReplaceBodies(NodeId owner, onnx::NodeProto& node);
  void Widen(ValueId value, onnx::GraphProto& out);
  std::string Unique(const std::string& wanted);

  // inner_types.cc: a widened node, in as many pieces as show what its kernel rounds inside.
  void EmitWide(const onnx::NodeProto& node, onnx::GraphProto& out);
  void EmitSkipNorm(const onnx::NodeProto& node, onnx::GraphProto& out);
  void EmitSum(const onnx::NodeProto& node, const char* magnitude, onnx::GraphProto& out);
  std::string Add(onnx::GraphProto& out, const char* op, const std::vector<std::string>& inputs,
                  const std::string& wanted);
  std::string Rounded(onnx::GraphProto& out, const std::string& value);

  const Graph& graph_;
  const ValueTypes& types_;
  std::vector<std::string> wide_names_;  // by ValueId; empty where no node reads it in float32
  absl::flat_hash_set<std::string> names_;
};

// A Cast of `input` to `type`.
void EmitCast(onnx::GraphProto& out, const std::string& input, ElementType type,
              const std::string& output);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_SIMULATE_HALF_SIMULATOR_H_
