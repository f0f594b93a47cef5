#include "lib/inspect/diff_facts.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/inspect/diff_nodes.h"

namespace onnxquant {
namespace {

constexpr int kSkipNormSum = 3;  // the output of Skip… norms that carries the sum on

class FactFinder {
 public:
  explicit FactFinder(const Analysis& analysis) : analysis_(analysis), graph_(analysis.graph) {}

  ModelFacts Run() {
    for (const NodeId id : analysis_.residual.adds) LookAtSum(id);
    for (const NodeId id : graph_.order()) {
      const Role role = RoleOf(id);
      if (role == Role::kNone) continue;
      if (role == Role::kNorm) {
        LookAtNorm(id);
      } else if (role != Role::kResidual) {
        Count(FloatOutput(id), facts_.arithmetic[role]);
      }
      if (const auto stored = StoredWeight(id)) ++facts_.stored[role][*stored];
    }
    return std::move(facts_);
  }

 private:
  Role RoleOf(NodeId id) const { return analysis_.roles.nodes[id].role; }

  ElementType TypeOf(ValueId value) const {
    return value == kNone ? ElementType::kUndefined : analysis_.types[value];
  }

  bool Is(NodeId id, std::initializer_list<const char*> ops) const {
    const std::string& op = graph_.node(id).proto->op_type();
    return std::any_of(ops.begin(), ops.end(), [&op](const char* name) { return op == name; });
  }

  ElementType FloatOutput(NodeId id) const {
    for (const ValueId output : graph_.node(id).outputs) {
      if (IsFloat(TypeOf(output))) return TypeOf(output);
    }
    return ElementType::kUndefined;
  }

  static void Count(ElementType type, Counts& counts) {
    if (IsFloat(type)) ++counts[NameOf(type)];
  }

  // The value that carries a residual sum on.
  ValueId SumOf(NodeId id) const {
    const ValueIds& outputs = graph_.node(id).outputs;
    if (!IsSkipNorm(graph_, id)) return outputs.empty() ? kNone : outputs[0];
    return outputs.size() > kSkipNormSum ? outputs[kSkipNormSum] : kNone;
  }

  void LookAtSum(NodeId id) {
    const ValueId sum = SumOf(id);
    const ElementType type = sum == kNone ? FloatOutput(id) : TypeOf(sum);
    Count(type, facts_.sums);
    if (sum == kNone) return;
    bool clipped = false;
    ElementType narrowest = type;
    FollowSum(sum, type, clipped, narrowest);
    if (clipped) ++facts_.clipped_sums;
    if (narrowest != type) Count(narrowest, facts_.narrowed_sums);
  }

  // Through Cast and Clip to the sums and norms that read it. `narrowest` becomes the smallest type
  // on such a way.
  void FollowSum(ValueId sum, ElementType type, bool& clipped, ElementType& narrowest) const {
    std::vector<std::pair<ValueId, ElementType>> open = {{sum, type}};
    while (!open.empty()) {
      const auto [value, on_way] = open.back();
      open.pop_back();
      for (const Use& use : graph_.value(value).uses) {
        if (Is(use.node, {"Clip", "Cast", "Identity"}) && use.input == 0) {
          const ValueId next = graph_.node(use.node).outputs[0];
          if (next == kNone || !IsFloat(TypeOf(next))) continue;
          clipped |= Is(use.node, {"Clip"});
          const bool narrower = BitsOf(TypeOf(next)) < BitsOf(on_way);
          open.emplace_back(next, narrower ? TypeOf(next) : on_way);
        } else if (RoleOf(use.node) == Role::kResidual || RoleOf(use.node) == Role::kNorm) {
          if (BitsOf(on_way) < BitsOf(narrowest)) narrowest = on_way;
        }
      }
    }
  }

  void LookAtNorm(NodeId id) {
    Count(FloatOutput(id), facts_.norms);
    if (!IsScaleInvariantNorm(graph_, id)) return;
    const ValueIds& inputs = graph_.node(id).inputs;
    const std::size_t scale = IsSkipNorm(graph_, id) ? 2 : 1;
    if (inputs.size() <= scale) return;
    const ElementType one = TypeOf(inputs[0]);
    const ElementType other = TypeOf(inputs[scale]);
    if (!IsFloat(one) || !IsFloat(other) || one == other) return;
    // Norms of layers have a residual sum behind them, the last one has not.
    const NodeRole& role = analysis_.roles.nodes[id];
    facts_.mixed_norms.push_back({NodeKey(*graph_.node(id).proto),
                                  analysis_.roles.layers > 0 && role.layer == kNone, NameOf(one),
                                  NameOf(other)});
  }

  // How a node's weight is stored; nothing for nodes without one.
  std::optional<std::string> StoredWeight(NodeId id) const {
    const onnx::NodeProto& proto = *graph_.node(id).proto;
    if (Is(id, {"MatMulNBits", "GatherBlockQuantized"})) {
      return absl::StrCat(IntAttribute(proto, "bits", 4), "-bit blocks of ",
                          IntAttribute(proto, "block_size", Is(id, {"MatMulNBits"}) ? 32 : 128));
    }
    if (RoleOf(id) == Role::kNorm) return std::nullopt;
    for (const ValueId input : graph_.node(id).inputs) {
      const ValueId weight = WeightBehind(input);
      if (weight != kNone) return NameOf(TypeOf(weight));
    }
    return std::nullopt;
  }

  // The constant that a value is, through what only stores or lays it out otherwise.
  ValueId WeightBehind(ValueId value) const {
    while (value != kNone) {
      const auto shape = ConstantShape(graph_, value);
      if (shape.has_value()) return shape->size() >= 2 ? value : kNone;
      const NodeId producer = graph_.value(value).producer;
      if (producer == kNone ||
          !Is(producer, {"Cast", "DequantizeLinear", "Identity", "Reshape", "Transpose"})) {
        return kNone;
      }
      value = graph_.node(producer).inputs[0];
    }
    return kNone;
  }

  const Analysis& analysis_;
  const Graph& graph_;
  ModelFacts facts_;
};

}  // namespace

ModelFacts FactsOf(const Analysis& analysis) {
  return FactFinder(analysis).Run();
}

}  // namespace onnxquant
