#include "lib/analysis/op_traits.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "lib/analysis/schema_lookup.h"

namespace onnxquant {
namespace {

constexpr const char* kMovesData[] = {
    "Cast",           "Concat",   "DepthToSpace", "Expand",    "Flatten",   "Gather",
    "GatherElements", "GatherND", "Identity",     "Reshape",   "Slice",     "SpaceToDepth",
    "Split",          "Squeeze",  "Tile",         "Transpose", "Unsqueeze",
};

// Slots that ONNX's schemas would let change, but ONNX Runtime's kernels do not.
struct FixedSlot {
  const char* op;
  int input;
};
constexpr FixedSlot kFixedSlots[] = {{"Resize", 1}, {"Resize", 2}, {"Upsample", 1}};

constexpr TypeAttribute kTypeAttributes[] = {
    {"Cast", "to", ElementType::kUndefined},
    {"RandomNormal", "dtype", ElementType::kFloat},
    {"RandomUniform", "dtype", ElementType::kFloat},
    {"RandomNormalLike", "dtype", ElementType::kUndefined},
    {"RandomUniformLike", "dtype", ElementType::kUndefined},
    {"EyeLike", "dtype", ElementType::kUndefined},
    {"Multinomial", "dtype", ElementType::kInt32},
    {"Bernoulli", "dtype", ElementType::kUndefined},
    {"BlackmanWindow", "output_datatype", ElementType::kFloat},
    {"HammingWindow", "output_datatype", ElementType::kFloat},
    {"HannWindow", "output_datatype", ElementType::kFloat},
    {"MelWeightMatrix", "output_datatype", ElementType::kFloat},
};

bool IsFloatTensor(ElementType type) {
  return type == ElementType::kFloat || type == ElementType::kFloat16 ||
         type == ElementType::kBFloat16 || type == ElementType::kDouble;
}

class TraitsMaker {
 public:
  TraitsMaker(const Graph& graph, NodeId id, const ValueTypes& types)
      : graph_(graph), node_(graph.node(id)), types_(types) {}

  NodeTraits Make() {
    const onnx::NodeProto& proto = *node_.proto;
    const ContribOp* row = FindContribOp(proto.domain(), proto.op_type());
    const onnx::OpSchema* schema = row == nullptr ? FindSchema(graph_.model(), proto) : nullptr;
    standard_ = IsOnnxDomain(proto.domain());
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      traits_.inputs.push_back(InputRule(row, schema, static_cast<int>(i)));
    }
    for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
      traits_.outputs.push_back(OutputRule(row, schema, static_cast<int>(i)));
    }
    if (standard_) AddStandardTraits(proto);
    traits_.fixed_because = ReasonToStay(row, schema);
    if (traits_.fixed_because != nullptr) FixAll();
    return std::move(traits_);
  }

 private:
  ElementType TypeOf(ValueId value) const {
    return value == kNone ? ElementType::kUndefined : types_[static_cast<std::size_t>(value)];
  }

  static SlotRule RuleOf(char letter) {
    if (letter == 'T') return SlotRule::kFollows;
    return letter == 'F' ? SlotRule::kFixed : SlotRule::kOther;
  }

  static SlotRule RuleOf(const onnx::OpSchema::FormalParameter* formal) {
    const bool half = formal != nullptr && Admits(*formal, "tensor(float16)");
    return half ? SlotRule::kFollows : SlotRule::kFixed;
  }

  SlotRule InputRule(const ContribOp* row, const onnx::OpSchema* schema, int i) const {
    if (TypeOf(node_.inputs[static_cast<std::size_t>(i)]) != ElementType::kFloat) {
      return SlotRule::kOther;
    }
    if (row != nullptr) return RuleOf(SlotLetter(row->inputs, i));
    if (standard_ &&
        (Op("Shape") || Op("Size") || (Op("Cast") && i == 0) || (Op("CastLike") && i == 0))) {
      return SlotRule::kAny;
    }
    for (const FixedSlot& slot : kFixedSlots) {
      if (standard_ && Op(slot.op) && slot.input == i) return SlotRule::kFixed;
    }
    return schema == nullptr ? SlotRule::kFixed : RuleOf(FormalInput(*schema, i));
  }

  SlotRule OutputRule(const ContribOp* row, const onnx::OpSchema* schema, int i) const {
    if (TypeOf(node_.outputs[static_cast<std::size_t>(i)]) != ElementType::kFloat) {
      return SlotRule::kOther;
    }
    if (row != nullptr) return RuleOf(SlotLetter(row->outputs, i));
    // Mean and inverse deviation are in stash_type, float32.
    if (standard_ && Op("LayerNormalization") && i > 0) return SlotRule::kFixed;
    return schema == nullptr ? SlotRule::kFixed : RuleOf(FormalOutput(*schema, i));
  }

  bool Op(const char* name) const { return node_.proto->op_type() == name; }

  void AddStandardTraits(const onnx::NodeProto& proto) {
    const auto is_op = [&](const char* name) { return proto.op_type() == name; };
    traits_.moves_data = std::any_of(std::begin(kMovesData), std::end(kMovesData), is_op);
    if (Op("Cast")) {
      const bool float_in = !node_.inputs.empty() && IsFloatTensor(TypeOf(node_.inputs[0]));
      traits_.float_cast =
          float_in && !node_.outputs.empty() && IsFloatTensor(TypeOf(node_.outputs[0]));
      traits_.moves_data = traits_.float_cast;
    }
    const TypeAttribute* row = FindTypeAttribute(proto);
    if (row != nullptr) traits_.type_attribute = row->attribute;
  }

  const char* ReasonToStay(const ContribOp* row, const onnx::OpSchema* schema) const {
    if (node_.scope != kMainScope) return "stands in a subgraph";
    if (!node_.bodies.empty()) return "holds a subgraph";
    if (row == nullptr && schema == nullptr) return "unknown operator";
    if (standard_ && Op("Constant")) return "a constant, stored as its readers need it";
    if (TouchesUntyped()) return "touches a value that is no tensor";
    const auto follows = [](SlotRule rule) { return rule == SlotRule::kFollows; };
    const bool any = std::any_of(traits_.inputs.begin(), traits_.inputs.end(), follows) ||
                     std::any_of(traits_.outputs.begin(), traits_.outputs.end(), follows);
    return any ? nullptr : "no float slot that may change";
  }

  // Sequences and optionals carry an element type that their whole chain must agree on.
  bool TouchesUntyped() const {
    if (!standard_) return false;
    const auto untyped = [this](ValueId value) {
      return value != kNone && TypeOf(value) == ElementType::kUndefined;
    };
    return std::any_of(node_.inputs.begin(), node_.inputs.end(), untyped) ||
           std::any_of(node_.outputs.begin(), node_.outputs.end(), untyped);
  }

  void FixAll() {
    for (SlotRule& rule : traits_.inputs) {
      if (rule == SlotRule::kFollows) rule = SlotRule::kFixed;
    }
    for (SlotRule& rule : traits_.outputs) {
      if (rule == SlotRule::kFollows) rule = SlotRule::kFixed;
    }
  }

  const Graph& graph_;
  const Node& node_;
  const ValueTypes& types_;
  bool standard_ = false;
  NodeTraits traits_;
};

}  // namespace

const TypeAttribute* FindTypeAttribute(const onnx::NodeProto& node) {
  if (!IsOnnxDomain(node.domain())) return nullptr;
  for (const TypeAttribute& row : kTypeAttributes) {
    if (node.op_type() == row.op) return &row;
  }
  return nullptr;
}

char SlotLetter(const char* letters, int slot) {
  const int last = static_cast<int>(std::strlen(letters)) - 1;
  return letters[std::min(slot, last)];
}

NodeTraits TraitsOf(const Graph& graph, NodeId node, const ValueTypes& types) {
  return TraitsMaker(graph, node, types).Make();
}

}  // namespace onnxquant
