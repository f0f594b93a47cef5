#include "lib/analysis/weight_uses.h"

#include <cstddef>

#include "lib/analysis/op_traits.h"

namespace onnxquant {
namespace {

constexpr int kLongestChain = 8;

// Without `perm`, Transpose reverses the axes.
bool SwapsTwoAxes(const onnx::NodeProto& node) {
  const onnx::AttributeProto* perm = FindAttribute(node, "perm");
  return perm == nullptr || (perm->ints_size() == 2 && perm->ints(0) == 1 && perm->ints(1) == 0);
}

class UseFinder {
 public:
  UseFinder(const Graph& graph, const ValueTypes& types) : graph_(graph), types_(types) {}

  std::vector<WeightUse> Run() {
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
      if (!IsConvertibleConstant(graph_, id)) continue;
      if (!IsFloat(types_[id])) continue;
      for (const Use& use : graph_.value(id).uses) {
        WeightUse found;
        found.weight = id;
        found.direct = use;
        Follow(use, found);
      }
    }
    uses_.shrink_to_fit();
    return std::move(uses_);
  }

 private:
  void Follow(const Use& use, const WeightUse& so_far) {
    WeightUse found = so_far;
    found.reader = use;
    const Node& node = graph_.node(use.node);
    const std::string& op = graph_.OpName(use.node);
    const bool transpose = op == "Transpose";
    const bool cast = op == "Cast" && !node.outputs.empty() && node.outputs[0] != kNone &&
                      IsFloat(types_[node.outputs[0]]);
    const bool passes = transpose || cast || op == "Identity";
    // Of a node that reads it in several slots, which is damaged, only the first hands it on.
    if (!passes || use.input != 0 || node.scope != kMainScope || node.outputs.empty() ||
        node.outputs[0] == kNone || graph_.value(node.outputs[0]).graph_output ||
        found.chain.size() >= kLongestChain) {
      uses_.push_back(std::move(found));
      return;
    }
    if (transpose && !SwapsTwoAxes(*node.proto)) {
      uses_.push_back(std::move(found));
      return;
    }
    found.chain.push_back(use.node);
    if (transpose) found.transposed = !found.transposed;
    for (const Use& next : graph_.value(node.outputs[0]).uses) Follow(next, found);
  }

  const Graph& graph_;
  const ValueTypes& types_;
  std::vector<WeightUse> uses_;
};

}  // namespace

const onnx::TensorProto* ConstantTensor(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (value.initializer != nullptr) return value.initializer;
  if (value.producer == kNone) return nullptr;
  if (graph.OpName(value.producer) != "Constant") return nullptr;
  const onnx::AttributeProto* attribute = FindAttribute(*graph.node(value.producer).proto, "value");
  return attribute == nullptr ? nullptr : &attribute->t();
}

std::optional<std::vector<std::int64_t>> ConstantShape(const Graph& graph, ValueId id) {
  if (id == kNone) return std::nullopt;
  if (const onnx::TensorProto* tensor = ConstantTensor(graph, id)) {
    return std::vector<std::int64_t>(tensor->dims().begin(), tensor->dims().end());
  }
  const NodeId producer = graph.value(id).producer;
  if (producer == kNone || graph.OpName(producer) != "Constant") return std::nullopt;
  const onnx::NodeProto& node = *graph.node(producer).proto;
  if (FindAttribute(node, "value_float") != nullptr) return std::vector<std::int64_t>{};
  if (FindAttribute(node, "value_int") != nullptr) return std::vector<std::int64_t>{};
  if (const onnx::AttributeProto* floats = FindAttribute(node, "value_floats")) {
    return std::vector<std::int64_t>{floats->floats_size()};
  }
  if (const onnx::AttributeProto* ints = FindAttribute(node, "value_ints")) {
    return std::vector<std::int64_t>{ints->ints_size()};
  }
  return std::nullopt;
}

bool IsConvertibleConstant(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  if (value.graph_input || value.graph_output || !IsOpenScope(graph, value.scope)) return false;
  return ConstantShape(graph, id).has_value();
}

std::vector<WeightUse> FindWeightUses(const Graph& graph, const ValueTypes& types) {
  return UseFinder(graph, types).Run();
}

}  // namespace onnxquant
