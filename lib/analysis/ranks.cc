#include "lib/analysis/ranks.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "lib/analysis/weight_uses.h"
#include "lib/schema/domain.h"

namespace onnxquant {
namespace {

// Chains are followed no further.
constexpr int kMostSteps = 64;

// The first output has as many dimensions as the first input.
constexpr absl::string_view kKeepRank[] = {"Cast",      "Clip",
                                           "Dropout",   "Elu",
                                           "Erf",       "FastGelu",
                                           "Gelu",      "HardSwish",
                                           "Identity",  "LayerNormalization",
                                           "LeakyRelu", "LogSoftmax",
                                           "Relu",      "RMSNormalization",
                                           "Sigmoid",   "SimplifiedLayerNormalization",
                                           "Softmax",   "Tanh",
                                           "Transpose"};

int DeclaredRank(const Value& value) {
  if (value.initializer != nullptr) return value.initializer->dims_size();
  if (value.declared == nullptr || !value.declared->type().has_tensor_type()) return -1;
  const onnx::TypeProto::Tensor& type = value.declared->type().tensor_type();
  return type.has_shape() ? type.shape().dim_size() : -1;
}

// A product whose right operand is a matrix, so that the left one gives the dimensions.
bool MultipliesByAMatrix(const Graph& graph, const Node& node) {
  if (node.proto->op_type() == "MatMulNBits") return true;
  if (node.proto->op_type() != "MatMul" || node.inputs.size() < 2) return false;
  const std::optional<std::vector<std::int64_t>> shape = ConstantShape(graph, node.inputs[1]);
  return shape && shape->size() == 2;
}

}  // namespace

int RankOf(const Graph& graph, ValueId value) {
  for (int step = 0; step < kMostSteps && value != kNone; ++step) {
    const int declared = DeclaredRank(graph.value(value));
    const NodeId producer = graph.value(value).producer;
    if (declared >= 0 || producer == kNone) return declared;
    const Node& node = graph.node(producer);
    const bool known =
        IsOnnxDomain(node.proto->domain()) || node.proto->domain() == "com.microsoft";
    const bool keeps = std::find(std::begin(kKeepRank), std::end(kKeepRank),
                                 node.proto->op_type()) != std::end(kKeepRank) ||
                       MultipliesByAMatrix(graph, node);
    if (!known || !keeps || graph.value(value).output != 0 || node.inputs.empty()) return -1;
    value = node.inputs[0];
  }
  return -1;
}

}  // namespace onnxquant
