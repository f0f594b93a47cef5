#include "lib/analysis/op_traits.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "absl/strings/string_view.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

constexpr absl::string_view kMovesData[] = {
    "Cast",
    "Compress",
    "Concat",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "If",
    "Loop",
    "Pad",
    "Reshape",
    "ReverseSequence",
    "Scan",
    "Scatter",
    "ScatterElements",
    "ScatterND",
    "Slice",
    "Split",
    "Squeeze",
    "SpaceToDepth",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Where",
};

// Slots that ONNX's schemas would let change, but ONNX Runtime's kernels do not.
struct FixedSlot {
  absl::string_view op;
  int input = 0;
};
constexpr FixedSlot kFixedSlots[] = {{"Resize", 1}, {"Resize", 2}, {"Upsample", 1}};

// Operators of whatever domain that stay as they are, though their schemas admit half types; what
// is not float32 in the model may become that, or be widened.
struct FixedOp {
  absl::string_view op;
  const char* because = nullptr;
  enum class May { kNothing, kBecomeFloat32, kWiden } may = May::kNothing;
  ElementType half = ElementType::kUndefined;  // the only half type that it cannot take
  int before_opset = std::numeric_limits<int>::max();
};
using May = FixedOp::May;
constexpr char kNoHalfKernel[] = "ONNX Runtime has no float16 kernel for it";
constexpr FixedOp kFixedOps[] = {
    {"AffineGrid", "ONNX Runtime expands it with float32 constants", May::kBecomeFloat32},
    {"Bernoulli", kNoHalfKernel, May::kBecomeFloat32},
    {"BitCast", "reinterprets the bits of its input"},
    // Providers without a kernel for bfloat16 take the function that ONNX's schema gives.
    {"Clip", "ONNX Runtime spells it with a Where that takes no bfloat16 before opset 16",
     May::kBecomeFloat32, ElementType::kBFloat16, 16},
    {"Constant", "a constant, stored as its readers need it"},
    {"DequantizeLinear", "its scale belongs to the quantized numbers", May::kWiden},
    {"EyeLike", kNoHalfKernel, May::kBecomeFloat32},
    {"MeanVarianceNormalization", "ONNX Runtime expands it with float32 constants",
     May::kBecomeFloat32},
    {"MelWeightMatrix", kNoHalfKernel, May::kBecomeFloat32},
    {"Multinomial", kNoHalfKernel, May::kBecomeFloat32},
    {"QuantizeLinear", "its scale belongs to the quantized numbers", May::kWiden},
    {"RandomNormal", kNoHalfKernel, May::kBecomeFloat32},
    {"RandomNormalLike", kNoHalfKernel, May::kBecomeFloat32},
    {"RandomUniform", kNoHalfKernel, May::kBecomeFloat32},
    {"RandomUniformLike", kNoHalfKernel, May::kBecomeFloat32},
    {"TreeEnsemble", "the type of its input is that of its attributes"},
};

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

constexpr absl::string_view kHoldCodes[] = {
    "GatherBlockQuantized", "MatMulBlockQuantizedFp4Weight",
    "MatMulBnb4",           "MatMulBlockQuantizedFp8Weight",
    "MatMulNBits",          "MatMulNBitsMlp",
    "MatMulNBitsQkv",       "QMoE",
};

class TraitsMaker {
 public:
  TraitsMaker(const Graph& graph, NodeId id, const ValueTypes& types, ElementType half)
      : graph_(graph),
        node_(graph.node(id)),
        types_(types),
        half_type_(half),
        half_(half == ElementType::kBFloat16 ? "tensor(bfloat16)" : "tensor(float16)") {}

  NodeTraits Make() {
    const onnx::NodeProto& proto = *node_.proto;
    const ContribOp* row = FindContribOp(proto.domain(), proto.op_type());
    const onnx::OpSchema* schema = row == nullptr ? FindSchema(graph_.model(), proto) : nullptr;
    standard_ = IsOnnxDomain(proto.domain());
    control_flow_ = IsControlFlow(proto);
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      traits_.inputs.push_back(InputRule(row, schema, static_cast<int>(i)));
    }
    for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
      traits_.outputs.push_back(OutputRule(row, schema, static_cast<int>(i)));
    }
    if (standard_) AddStandardTraits(proto);
    traits_.fixed_because = ReasonToStay(row, schema);
    if (const char* reason = ReasonAgainstHalf();
        reason != nullptr && traits_.fixed_because == nullptr) {
      const FixedOp* fixed = Fixed();
      if (!TouchesOtherFloats()) {  // what is float32 already has nothing left that may change
        traits_.fixed_because = reason;
      } else if (fixed != nullptr && fixed->may == May::kWiden) {
        traits_.only_widens = true;
      } else {
        traits_.float32_because = reason;
      }
    }
    if (traits_.fixed_because != nullptr) FixAll();
    return std::move(traits_);
  }

 private:
  ElementType TypeOf(ValueId value) const {
    return value == kNone ? ElementType::kUndefined : types_[value];
  }

  SlotRule RuleOf(char letter) const {
    if (letter == 'T') return SlotRule::kFollows;
    if (letter == 'H' && half_ == "tensor(float16)") return SlotRule::kFollows;
    return letter == '-' ? SlotRule::kOther : SlotRule::kFixed;
  }

  // What admits float32 alone may become that, where the model has something else.
  SlotRule RuleOf(const onnx::OpSchema::FormalParameter* formal, ElementType type) {
    if (formal == nullptr) return SlotRule::kFixed;
    if (Admits(*formal, half_)) return SlotRule::kFollows;
    if (type == ElementType::kFloat || !Admits(*formal, "tensor(float)")) return SlotRule::kFixed;
    no_half_schema_ = true;
    return SlotRule::kFollows;
  }

  SlotRule InputRule(const ContribOp* row, const onnx::OpSchema* schema, int i) {
    const ElementType type = TypeOf(node_.inputs[static_cast<std::size_t>(i)]);
    if (!IsFloat(type)) return SlotRule::kOther;
    if (row != nullptr) return RuleOf(SlotLetter(row->inputs, i));
    if (standard_ && (Op("Shape") || Op("Size") || Op("Cast") || Op("CastLike"))) {
      return SlotRule::kAny;
    }
    for (const FixedSlot& slot : kFixedSlots) {
      if (standard_ && Op(slot.op) && slot.input == i) return SlotRule::kFloat32;
    }
    return schema == nullptr ? SlotRule::kFixed : RuleOf(FormalInput(*schema, i), type);
  }

  SlotRule OutputRule(const ContribOp* row, const onnx::OpSchema* schema, int i) {
    const ElementType type = TypeOf(node_.outputs[static_cast<std::size_t>(i)]);
    if (!IsFloat(type)) return SlotRule::kOther;
    if (row != nullptr) return RuleOf(SlotLetter(row->outputs, i));
    // Mean and inverse deviation are in stash_type, float32.
    if (standard_ && Op("LayerNormalization") && i > 0) return SlotRule::kFixed;
    return schema == nullptr ? SlotRule::kFixed : RuleOf(FormalOutput(*schema, i), type);
  }

  bool Op(absl::string_view name) const { return node_.proto->op_type() == name; }

  void AddStandardTraits(const onnx::NodeProto& proto) {
    const auto is_op = [&](absl::string_view name) { return proto.op_type() == name; };
    traits_.moves_data = std::any_of(std::begin(kMovesData), std::end(kMovesData), is_op);
    if (Op("Cast") || Op("CastLike")) {
      const bool float_in = !node_.inputs.empty() && IsFloat(TypeOf(node_.inputs[0]));
      traits_.float_cast = float_in && !node_.outputs.empty() && IsFloat(TypeOf(node_.outputs[0]));
      traits_.moves_data = traits_.float_cast;
    }
    const TypeAttribute* row = FindTypeAttribute(proto);
    if (row != nullptr) traits_.type_attribute = row->attribute;
    // Without it, the scale says what comes out.
    if (Op("DequantizeLinear") && IntAttribute(proto, "output_dtype", 0) != 0) {
      traits_.type_attribute = "output_dtype";
    }
  }

  const char* ReasonToStay(const ContribOp* row, const onnx::OpSchema* schema) const {
    if (!IsOpenScope(graph_, node_.scope))
      return "stands in a body of an operator that may not change";
    if (!node_.bodies.empty() && !control_flow_)
      return "holds a subgraph and is no If, Loop or Scan";
    if (row == nullptr && schema == nullptr) return "unknown operator";
    if (const FixedOp* fixed = Fixed(); fixed != nullptr && fixed->may == May::kNothing) {
      return fixed->because;
    }
    if (!control_flow_ && TouchesUntyped(row, schema)) return "touches a value that is no tensor";
    const auto follows = [](SlotRule rule) { return rule == SlotRule::kFollows; };
    const bool any = std::any_of(traits_.inputs.begin(), traits_.inputs.end(), follows) ||
                     std::any_of(traits_.outputs.begin(), traits_.outputs.end(), follows);
    return any ? nullptr : "no float slot that may change";
  }

  const FixedOp* Fixed() const {
    for (const FixedOp& fixed : kFixedOps) {
      if (!Op(fixed.op)) continue;
      const bool holds = fixed.half == ElementType::kUndefined || fixed.half == half_type_;
      return holds && OpsetOf(graph_.model(), "") < fixed.before_opset ? &fixed : nullptr;
    }
    return nullptr;
  }

  const char* ReasonAgainstHalf() const {
    if (const FixedOp* fixed = Fixed()) return fixed->because;
    if (standard_ && ReducesDuplicates()) return "ONNX Runtime's float16 kernel does not reduce";
    return no_half_schema_ ? "the operator takes no 16-bit floats" : nullptr;
  }

  // Whether a slot that may change holds another float type than float32.
  bool TouchesOtherFloats() const {
    const auto other = [this](SlotRule rule, ValueId value) {
      return rule == SlotRule::kFollows && TypeOf(value) != ElementType::kFloat;
    };
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      if (other(traits_.inputs[i], node_.inputs[i])) return true;
    }
    for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
      if (other(traits_.outputs[i], node_.outputs[i])) return true;
    }
    return false;
  }

  // A slot that may hold floats, but of which nothing is known: sequences and optionals, whose
  // whole chain must agree on an element type, and what comes from unknown operators.
  bool TouchesUntyped(const ContribOp* row, const onnx::OpSchema* schema) const {
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      const int slot = static_cast<int>(i);
      if (node_.inputs[i] == kNone || TypeOf(node_.inputs[i]) != ElementType::kUndefined) continue;
      if (row != nullptr ? SlotLetter(row->inputs, slot) != '-'
                         : MayHoldFloats(FormalInput(*schema, slot))) {
        return true;
      }
    }
    for (std::size_t i = 0; i < node_.outputs.size(); ++i) {
      const int slot = static_cast<int>(i);
      if (node_.outputs[i] == kNone || TypeOf(node_.outputs[i]) != ElementType::kUndefined)
        continue;
      if (row != nullptr ? SlotLetter(row->outputs, slot) != '-'
                         : MayHoldFloats(FormalOutput(*schema, slot))) {
        return true;
      }
    }
    return false;
  }

  // "tensor(float)", "seq(tensor(float16))", "optional(…)" …
  static bool MayHoldFloats(const onnx::OpSchema::FormalParameter* formal) {
    if (formal == nullptr) return true;
    const auto& types = formal->GetTypes();
    return std::any_of(types.begin(), types.end(),
                       [](const auto& type) { return type->find("float") != std::string::npos; });
  }

  // ScatterND and ScatterElements that add, multiply …, where the last value does not simply win.
  bool ReducesDuplicates() const {
    if (!Op("ScatterND") && !Op("ScatterElements")) return false;
    const onnx::AttributeProto* reduction = FindAttribute(*node_.proto, "reduction");
    return reduction != nullptr && reduction->s() != "none";
  }

  void FixAll() {
    // What a CastLike likens itself to says what it makes.
    if (Op("CastLike") && traits_.inputs.size() > 1 && traits_.inputs[1] == SlotRule::kAny) {
      traits_.inputs[1] = SlotRule::kFixed;
    }
    for (std::vector<SlotRule>* rules : {&traits_.inputs, &traits_.outputs}) {
      for (SlotRule& rule : *rules) {
        if (rule == SlotRule::kFollows || rule == SlotRule::kFloat32) rule = SlotRule::kFixed;
      }
    }
  }

  const Graph& graph_;
  const Node& node_;
  const ValueTypes& types_;
  const ElementType half_type_;
  std::string half_;  // as schemas spell the type
  bool standard_ = false;
  bool control_flow_ = false;
  bool no_half_schema_ = false;  // a slot that follows admits float32, but not the half type
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

bool HoldsCodes(const onnx::NodeProto& node) {
  return node.domain() == "com.microsoft" &&
         std::any_of(std::begin(kHoldCodes), std::end(kHoldCodes),
                     [&node](absl::string_view op) { return node.op_type() == op; });
}

char SlotLetter(const char* letters, int slot) {
  const int last = static_cast<int>(std::strlen(letters)) - 1;
  return letters[std::min(slot, last)];
}

NodeTraits TraitsOf(const Graph& graph, NodeId node, const ValueTypes& types, ElementType half) {
  return TraitsMaker(graph, node, types, half).Make();
}

bool IsControlFlow(const onnx::NodeProto& node) {
  return IsOnnxDomain(node.domain()) &&
         (node.op_type() == "If" || node.op_type() == "Loop" || node.op_type() == "Scan");
}

bool IsOpenScope(const Graph& graph, ScopeId scope) {
  for (; scope != kMainScope; scope = graph.node(graph.scope(scope).owner).scope) {
    if (!IsControlFlow(*graph.node(graph.scope(scope).owner).proto)) return false;
  }
  return true;
}

}  // namespace onnxquant
