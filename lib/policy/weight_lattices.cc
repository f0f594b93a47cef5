#include "lib/policy/weight_lattices.h"

#include <algorithm>
#include <vector>

#include "lib/base/error.h"
#include "lib/lattice/find_lattice.h"
#include "lib/policy/plan.h"

namespace onnxquant {
namespace {

bool Asks(const Settings& set) {
  return set.method == methods::Method::kLattice;
}

// The axis along which a reader sums, or has its rows.
int PreferredAxis(const Graph& graph, const WeightUse& use, std::size_t rank) {
  const bool product = graph.node(use.reader.node).proto->op_type() != "Gather";
  return static_cast<int>(rank) - (product && !use.transposed ? 2 : 1);
}

}  // namespace

bool AsksForLattices(const Policy& policy) {
  return std::any_of(policy.outputs.begin(), policy.outputs.end(),
                     [](const OutputSpec& output) { return Asks(output.defaults); }) ||
         std::any_of(policy.rules.begin(), policy.rules.end(), [](const Rule& rule) {
           return rule.match.lattice.has_value() || Asks(rule.set);
         });
}

absl::StatusOr<WeightLattices> FindWeightLattices(const Analysis& analysis, const Model& model) {
  WeightLattices lattices;
  ValueId last = kNone;
  for (const WeightUse& use : analysis.weight_uses) {
    // The readings of one constant stand side by side.
    if (use.weight == last) continue;
    last = use.weight;
    const onnx::TensorProto* tensor = ConstantTensor(analysis.graph, use.weight);
    if (tensor == nullptr || tensor->dims_size() < 2) continue;
    const std::vector<std::int64_t> dims(tensor->dims().begin(), tensor->dims().end());
    ONNXQUANT_ASSIGN_OR_RETURN(const absl::Span<const std::byte> bytes, model.Bytes(*tensor));
    const auto found = FindLattice(bytes, static_cast<ElementType>(tensor->data_type()), dims,
                                   PreferredAxis(analysis.graph, use, dims.size()));
    if (found) lattices.emplace(use.weight, *found);
    model.Release(*tensor, 0, bytes.size());
  }
  return lattices;
}

}  // namespace onnxquant
