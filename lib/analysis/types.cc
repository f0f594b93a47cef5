#include "lib/analysis/types.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/analysis/graph_walk.h"
#include "lib/analysis/onnx_inference.h"
#include "lib/analysis/op_traits.h"
#include "lib/base/error.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

class TypeInference {
 public:
  TypeInference(const Graph& graph, const std::string& origin, ValueTypes hints)
      : graph_(graph), origin_(origin), hints_(std::move(hints)) {}

  absl::StatusOr<ValueTypes> Run() {
    types_.assign(graph_.values().size(), ElementType::kUndefined);
    for (std::size_t id = 0; id < graph_.values().size(); ++id) {
      const Value& value = graph_.values()[id];
      if (value.producer != kNone) continue;
      ONNXQUANT_ASSIGN_OR_RETURN(types_[id], TypeOfSource(value));
    }
    ONNXQUANT_RETURN_IF_ERROR(InferScope(kMainScope));
    return std::move(types_);
  }

 private:
  ElementType& TypeAt(ValueId id) { return types_[id]; }

  absl::StatusOr<ElementType> Checked(int number, const std::string& what) const {
    absl::StatusOr<ElementType> type = ElementTypeFromOnnx(number);
    if (type.ok()) return type;
    return ModelError(origin_, ": ", what, ": ", std::string(type.status().message()));
  }

  absl::StatusOr<ElementType> Declared(const Value& value) const {
    if (value.declared == nullptr || !value.declared->type().has_tensor_type()) {
      return ElementType::kUndefined;
    }
    const int number = value.declared->type().tensor_type().elem_type();
    if (number == 0) return ElementType::kUndefined;
    return Checked(number, absl::StrCat("the declaration of value '", value.name, "'"));
  }

  absl::StatusOr<ElementType> TypeOfSource(const Value& value) const {
    if (value.initializer != nullptr) {
      return Checked(value.initializer->data_type(),
                     absl::StrCat("initializer '", value.name, "'"));
    }
    if (value.sparse_initializer != nullptr) {
      return Checked(value.sparse_initializer->values().data_type(),
                     absl::StrCat("sparse initializer '", value.name, "'"));
    }
    return Declared(value);
  }

  // A node that holds bodies is typed by their outputs, so they come first.
  absl::Status InferScope(ScopeId scope) {
    for (const NodeId id : graph_.order(scope)) {
      for (const ScopeId body : graph_.node(id).bodies) {
        BindBodyInputs(id, body);
        ONNXQUANT_RETURN_IF_ERROR(InferScope(body));
      }
      ONNXQUANT_RETURN_IF_ERROR(InferNode(id));
    }
    return absl::OkStatus();
  }

  absl::Status InferNode(NodeId id) {
    const Node& node = graph_.node(id);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNone) continue;
      ONNXQUANT_ASSIGN_OR_RETURN(ElementType type, OutputType(id, static_cast<int>(i)));
      if (type == ElementType::kUndefined) type = BodyOutputType(node, i);
      if (type == ElementType::kUndefined) {
        ONNXQUANT_ASSIGN_OR_RETURN(type, Declared(graph_.value(node.outputs[i])));
      }
      if (type == ElementType::kUndefined && !hints_.empty()) {
        type = hints_[node.outputs[i]];
      }
      TypeAt(node.outputs[i]) = type;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ElementType> OutputType(NodeId id, int output) {
    const onnx::NodeProto& proto = *graph_.node(id).proto;
    if (const ContribOp* row = FindContribOp(proto.domain(), proto.op_type())) {
      if (output == 0 && proto.op_type() == "SimplifiedLayerNormalization")
        return ScaledType(id, *row);
      return ContribOutputType(id, *row, output);
    }
    if (IsOnnxDomain(proto.domain())) {
      if (proto.op_type() == "Constant") return ConstantType(id);
      if (proto.op_type() == "ConstantOfShape") {
        const onnx::AttributeProto* value = FindAttribute(proto, "value");
        if (value == nullptr) return ElementType::kFloat;
        return Checked(value->t().data_type(), graph_.Describe(id));
      }
      if (const TypeAttribute* row = FindTypeAttribute(proto)) {
        return AttributeType(id, row->attribute, row->fallback);
      }
      if (proto.op_type() == "LayerNormalization" && output > 0) {
        return AttributeType(id, "stash_type", ElementType::kFloat);
      }
      if (proto.op_type() == "DequantizeLinear" || proto.op_type() == "QuantizeLinear") {
        return QuantizerType(id);
      }
    }
    return SchemaOutputType(id, output);
  }

  absl::StatusOr<ElementType> AttributeType(NodeId id, const char* name, ElementType fallback) {
    const onnx::AttributeProto* attribute = FindAttribute(*graph_.node(id).proto, name);
    if (attribute != nullptr && attribute->i() != 0) {
      return Checked(static_cast<int>(attribute->i()),
                     absl::StrCat(graph_.Describe(id), ": attribute '", name, "'"));
    }
    return fallback == ElementType::kUndefined ? InputType(id, 0) : fallback;
  }

  absl::StatusOr<ElementType> ConstantType(NodeId id) {
    const onnx::NodeProto& proto = *graph_.node(id).proto;
    if (proto.attribute_size() != 1) {
      return ModelError(origin_, ": ", graph_.Describe(id), " has ", proto.attribute_size(),
                        " attributes; a Constant has exactly one");
    }
    const onnx::AttributeProto& attribute = proto.attribute(0);
    if (attribute.name() == "value") {
      return Checked(attribute.t().data_type(), graph_.Describe(id));
    }
    if (attribute.name() == "sparse_value") {
      return Checked(attribute.sparse_tensor().values().data_type(), graph_.Describe(id));
    }
    if (attribute.name() == "value_float" || attribute.name() == "value_floats") {
      return ElementType::kFloat;
    }
    if (attribute.name() == "value_int" || attribute.name() == "value_ints") {
      return ElementType::kInt64;
    }
    return ElementType::kString;
  }

  // QuantizeLinear: output_dtype, else the zero point's type, else uint8. DequantizeLinear:
  // output_dtype, else the scale's type.
  absl::StatusOr<ElementType> QuantizerType(NodeId id) {
    const onnx::NodeProto& proto = *graph_.node(id).proto;
    const bool quantize = proto.op_type() == "QuantizeLinear";
    const ElementType by_input = InputType(id, quantize ? 2 : 1);
    const bool known = by_input != ElementType::kUndefined;
    return AttributeType(id, "output_dtype", known ? by_input : ElementType::kUint8);
  }

  ElementType InputType(NodeId id, int input) {
    const ValueId value = InputOf(graph_, id, input);
    return value == kNone ? ElementType::kUndefined : TypeAt(value);
  }

  ElementType ContribOutputType(NodeId id, const ContribOp& row, int output) {
    const char letter = SlotLetter(row.outputs, output);
    if (letter == 'F') return ElementType::kFloat;
    if (letter != 'T' && letter != 'H') return ElementType::kUndefined;
    for (int i = 0; i < static_cast<int>(graph_.node(id).inputs.size()); ++i) {
      if (SlotLetter(row.inputs, i) != letter) continue;
      const ElementType type = InputType(id, i);
      if (type != ElementType::kUndefined) return type;
    }
    return ElementType::kUndefined;
  }

  // Kernels take a scale of another type than the input's, and ONNX Runtime gives the result in the
  // scale's; a file that declares it so is to be believed.
  absl::StatusOr<ElementType> ScaledType(NodeId id, const ContribOp& row) {
    ONNXQUANT_ASSIGN_OR_RETURN(const ElementType declared,
                               Declared(graph_.value(graph_.node(id).outputs[0])));
    const bool scaled = declared != ElementType::kUndefined && declared == InputType(id, 1);
    return scaled ? declared : ContribOutputType(id, row, 0);
  }

  ElementType SchemaOutputType(NodeId id, int output) {
    const Node& node = graph_.node(id);
    const onnx::OpSchema* schema = FindSchema(graph_.model(), *node.proto);
    if (schema == nullptr) return ElementType::kUndefined;
    const auto* formal = FormalOutput(*schema, output);
    // Scan's outputs, for example, share a letter with its inputs and have types of their own.
    if (formal == nullptr || !formal->GetIsHomogeneous()) return ElementType::kUndefined;
    for (int i = 0; i < static_cast<int>(node.inputs.size()); ++i) {
      const auto* in = FormalInput(*schema, i);
      if (in != nullptr && in->GetTypeStr() == formal->GetTypeStr()) {
        const ElementType type = InputType(id, i);
        if (type != ElementType::kUndefined) return type;
      }
    }
    if (formal->GetTypes().size() != 1) return ElementType::kUndefined;
    return FromTypeString(**formal->GetTypes().begin());
  }

  // "tensor(int64)" and the like; ONNX's schemas say float and double for our float32 and float64.
  static ElementType FromTypeString(const std::string& text) {
    constexpr char kPrefix[] = "tensor(";
    if (text.rfind(kPrefix, 0) != 0 || text.back() != ')') return ElementType::kUndefined;
    const std::string name = text.substr(sizeof(kPrefix) - 1, text.size() - sizeof(kPrefix));
    onnx::TensorProto::DataType type = onnx::TensorProto::UNDEFINED;
    std::string upper;
    for (const char c : name)
      upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (!onnx::TensorProto::DataType_Parse(upper, &type)) return ElementType::kUndefined;
    return static_cast<ElementType>(type);
  }

  // Bodies declare their inputs' types only sometimes; Loop and Scan hand theirs on in order.
  void BindBodyInputs(NodeId id, ScopeId body) {
    const Node& node = graph_.node(id);
    const onnx::GraphProto& graph = *graph_.scope(body).graph;
    const bool loop = node.proto->op_type() == "Loop";
    for (int i = 0; i < graph.input_size(); ++i) {
      const ValueId inner = graph_.Find(body, graph.input(i).name());
      if (inner == kNone || TypeAt(inner) != ElementType::kUndefined) continue;
      if (loop && i == 0) {
        TypeAt(inner) = ElementType::kInt64;
      } else if (loop && i == 1) {
        TypeAt(inner) = ElementType::kBool;
      } else {
        TypeAt(inner) = InputType(id, i);
      }
    }
  }

  // Loop's bodies also give a condition, which comes first and stays inside.
  ElementType BodyOutputType(const Node& node, std::size_t output) const {
    if (!IsControlFlow(*node.proto)) return ElementType::kUndefined;
    const std::size_t skip = node.proto->op_type() == "Loop" ? 1 : 0;
    for (const ScopeId body : node.bodies) {
      const std::vector<ValueId>& outputs = graph_.outputs(body);
      if (output + skip >= outputs.size()) continue;
      const ElementType type = types_[outputs[output + skip]];
      if (type != ElementType::kUndefined) return type;
    }
    return ElementType::kUndefined;
  }

  const Graph& graph_;
  const std::string& origin_;
  ValueTypes hints_;  // by ValueId, or none
  ValueTypes types_;
};

}  // namespace

absl::StatusOr<ValueTypes> InferTypes(const Graph& graph, const std::string& origin) {
  ONNXQUANT_ASSIGN_OR_RETURN(ValueTypes types, TypeInference(graph, origin, {}).Run());
  if (std::find(types.begin(), types.end(), ElementType::kUndefined) == types.end()) return types;
  return TypeInference(graph, origin, InferWithOnnx(graph)).Run();
}

}  // namespace onnxquant
