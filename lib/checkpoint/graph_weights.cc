#include "lib/checkpoint/graph_weights.h"

#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "lib/analysis/op_traits.h"
#include "lib/analysis/weight_uses.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kFewestElements = 8;
constexpr std::int64_t kFewestCodes = 32;

std::int64_t ElementsOf(absl::Span<const std::int64_t> dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// Whether the node's float constants are scales of its codes.
bool ReadsScales(const onnx::NodeProto& node) {
  return HoldsCodes(node) || node.op_type() == "DequantizeLinear" ||
         node.op_type() == "QuantizeLinear";
}

}  // namespace

std::vector<std::int64_t> Squeezed(absl::Span<const std::int64_t> dims) {
  std::vector<std::int64_t> squeezed;
  for (const std::int64_t dim : dims) {
    if (dim != 1) squeezed.push_back(dim);
  }
  return squeezed;
}

int CountCodedWeights(const Analysis& analysis) {
  std::set<ValueId> coded;
  for (NodeId node = 0; node < static_cast<NodeId>(analysis.graph.nodes().size()); ++node) {
    ValueId largest = kNone;
    std::int64_t most = 0;
    for (const ValueId input : analysis.graph.node(node).inputs) {
      if (input == kNone) continue;
      const ElementType type = analysis.types[input];
      const auto dims = ConstantShape(analysis.graph, input);
      const bool holds = dims && type != ElementType::kBool && type != ElementType::kString &&
                         type != ElementType::kUndefined && BitsOf(type) <= 8;
      if (!holds || ElementsOf(*dims) < kFewestCodes || ElementsOf(*dims) <= most) continue;
      largest = input;
      most = ElementsOf(*dims);
    }
    if (largest != kNone) coded.insert(largest);
  }
  return static_cast<int>(coded.size());
}

absl::StatusOr<std::vector<GraphWeight>> FindGraphWeights(const Analysis& analysis,
                                                          const Model& model) {
  std::vector<GraphWeight> weights;
  ValueId last = kNone;  // of `weights`
  for (const WeightUse& use : analysis.weight_uses) {
    if (ReadsScales(*analysis.graph.node(use.reader.node).proto)) continue;
    const std::string role = NameOf(analysis.roles.nodes[use.reader.node].role);
    // The readings of one constant stand side by side.
    if (use.weight == last) {
      if (weights.back().role.empty()) weights.back().role = role;
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
    last = use.weight;
  }
  return weights;
}

}  // namespace onnxquant
