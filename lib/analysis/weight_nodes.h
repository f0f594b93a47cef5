// Which nodes do arithmetic with learnt weights.
#ifndef ONNXQUANT_LIB_ANALYSIS_WEIGHT_NODES_H_
#define ONNXQUANT_LIB_ANALYSIS_WEIGHT_NODES_H_

#include <cstdint>
#include <optional>

#include "lib/base/id_vector.h"
#include "lib/graph/graph.h"

namespace onnxquant {

// A MatMul with a constant operand, in whatever form.
struct WeightMatMul {
  ValueId weight = kNone;    // the constant itself, behind Transpose or DequantizeLinear
  std::int64_t columns = 0;  // N: outputs per row
};
std::optional<WeightMatMul> WeightMatMulAt(const Graph& graph, NodeId node);

// The initializer or Constant that a value is, seen through what only reshuffles or dequantizes it;
// kNone if there is none.
ValueId ConstantBehind(const Graph& graph, ValueId value);

struct WeightNodes {
  IdVector<bool> matmul;  // by NodeId: has a WeightMatMul
  IdVector<bool> holds;   // by NodeId: computes with weights in any way, which makes a branch one
};
WeightNodes FindWeightNodes(const Graph& graph);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_ANALYSIS_WEIGHT_NODES_H_
