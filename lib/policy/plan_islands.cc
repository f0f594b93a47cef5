#include "lib/policy/plan_islands.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace onnxquant {
namespace {

// Arithmetic on each element, too little to be worth a cast before and after it.
constexpr absl::string_view kElementwise[] = {
    "Abs",  "Add",         "Clip",    "Div",      "Elu",       "Erf",       "Exp",
    "Gelu", "HardSigmoid", "Max",     "Min",      "HardSwish", "LeakyRelu", "Mul",
    "Neg",  "Relu",        "Sigmoid", "Softplus", "Sqrt",      "Sub",       "Tanh"};
constexpr std::int64_t kLightWeight = 1024;  // elements that are not worth halving

bool IsElementwise(const onnx::NodeProto& node) {
  return IsOnnxDomain(node.domain()) &&
         std::any_of(std::begin(kElementwise), std::end(kElementwise),
                     [&node](absl::string_view name) { return node.op_type() == name; });
}

// Elementwise arithmetic with small constants, if any.
bool IsLight(const PlanContext& context, NodeId id) {
  if (!IsElementwise(*context.graph().node(id).proto)) return false;
  const absl::Span<const std::size_t> uses = context.uses_by_reader.Of(id);
  return std::all_of(uses.begin(), uses.end(), [&context](std::size_t use) {
    const auto shape = ConstantShape(context.graph(), context.analysis.weight_uses[use].weight);
    std::int64_t elements = 1;
    for (const std::int64_t dim : shape.value_or(std::vector<std::int64_t>{})) {
      if (dim > kLightWeight) return false;
      elements = std::min(elements * dim, kLightWeight + 1);
    }
    return elements <= kLightWeight;
  });
}

// Arithmetic between DequantizeLinear and QuantizeLinear, which providers fuse with them into a
// quantized kernel: Casts between them would be in its way.
bool IsQuantizedUnit(const PlanContext& context, NodeId id) {
  const Graph& graph = context.graph();
  const auto is = [&graph](NodeId node, const char* op) {
    return node != kNone && graph.node(node).proto->op_type() == op;
  };
  const Node& node = graph.node(id);
  bool dequantized = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (context.Traits(id).inputs[i] != SlotRule::kFollows) continue;
    if (IsConvertibleConstant(graph, node.inputs[i])) continue;
    if (!is(graph.value(node.inputs[i]).producer, "DequantizeLinear")) return false;
    dequantized = true;
  }
  for (const ValueId output : node.outputs) {
    if (output == kNone) continue;
    const Value& value = graph.value(output);
    const bool quantized = !value.graph_output &&
                           std::all_of(value.uses.begin(), value.uses.end(), [&](const Use& use) {
                             return is(use.node, "QuantizeLinear");
                           });
    if (!quantized) return false;
  }
  return dequantized;
}

}  // namespace

void KeepIslands(const Neighbourhood& around, const IdVector<bool>& by_rule,
                 const IdVector<bool>& movers, const IdVector<bool>& stored, OutputPlan& plan) {
  const PlanContext& context = around.context;
  IdVector<bool> open = movers;
  for (NodeId id = 0; id < context.node_count(); ++id) {
    const NodePlan& node = plan.nodes[id];
    if (!node.changes || !IsHalf(node.compute) || by_rule[id]) continue;
    if (IsLight(context, id) || IsQuantizedUnit(context, id)) open[id] = true;
  }
  SharedReasons reasons;
  for (const Region& region : OpenRegions(around, plan.nodes, open, stored)) {
    const bool io = std::any_of(region.edges.begin(), region.edges.end(),
                                [](const MoverEdge& edge) { return edge.io; });
    if (io || TypesAround(region) != std::set<ElementType>{ElementType::kFloat}) continue;
    for (const NodeId id : region.nodes) {
      if (movers[id]) continue;  // they follow
      FollowNeighbours(ElementType::kFloat, "arithmetic between", reasons, plan.nodes[id]);
    }
  }
}

}  // namespace onnxquant
