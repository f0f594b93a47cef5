#include "lib/checkpoint/graph_weights.h"

#include <utility>

#include "lib/analysis/weight_uses.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kFewestElements = 8;

}  // namespace

std::vector<std::int64_t> Squeezed(absl::Span<const std::int64_t> dims) {
  std::vector<std::int64_t> squeezed;
  for (const std::int64_t dim : dims) {
    if (dim != 1) squeezed.push_back(dim);
  }
  return squeezed;
}

absl::StatusOr<std::vector<GraphWeight>> FindGraphWeights(const Analysis& analysis,
                                                          const Model& model) {
  std::vector<GraphWeight> weights;
  for (std::size_t i = 0; i < analysis.weight_uses.size(); ++i) {
    const WeightUse& use = analysis.weight_uses[i];
    const std::string role = NameOf(analysis.roles.nodes[use.reader.node].role);
    // The readings of one constant stand side by side.
    if (i > 0 && analysis.weight_uses[i - 1].weight == use.weight) {
      if (!weights.empty() && weights.back().role.empty()) weights.back().role = role;
      continue;
    }
    const onnx::TensorProto* tensor = ConstantTensor(analysis.graph, use.weight);
    if (tensor == nullptr) continue;
    GraphWeight weight;
    weight.name = analysis.graph.value(use.weight).name;
    weight.type = static_cast<ElementType>(tensor->data_type());
    weight.dims.assign(tensor->dims().begin(), tensor->dims().end());
    weight.role = role;
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(*tensor));
    const std::vector<std::int64_t> dims = Squeezed(weight.dims);
    // A vector is a row. Of its column nothing is asked.
    weight.ways = dims.size() == 1 ? WaysToRead(bytes, weight.type, {1, dims[0]})
                                   : WaysToRead(bytes, weight.type, dims);
    if (dims.size() == 1 && weight.ways.size() > 1) weight.ways.resize(1);
    if (weight.ways.empty()) continue;
    if (weight.ways[0].lines() * weight.ways[0].length() < kFewestElements) continue;
    weights.push_back(std::move(weight));
  }
  return weights;
}

}  // namespace onnxquant
