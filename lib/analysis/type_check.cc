#include "lib/analysis/type_check.h"

#include <cctype>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "lib/analysis/op_traits.h"
#include "lib/base/error.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

// As schemas spell it: "tensor(double)".
std::string SchemaText(ElementType type) {
  std::string name = onnx::TensorProto::DataType_Name(static_cast<int>(type));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return absl::StrCat("tensor(", name, ")");
}

class TypeChecker {
 public:
  TypeChecker(const Graph& graph, const ValueTypes& types, const std::string& origin)
      : graph_(graph), types_(types), origin_(origin) {}

  absl::Status Check(NodeId id) const {
    const Node& node = graph_.node(id);
    const onnx::OpSchema* schema = Schema(node);
    if (schema == nullptr) return absl::OkStatus();
    absl::flat_hash_map<std::string, std::size_t> first;  // the input that bound a type variable
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ElementType type = CertainType(node.inputs[i]);
      const auto* formal = FormalInput(*schema, static_cast<int>(i));
      if (type == ElementType::kUndefined || formal == nullptr) continue;
      if (!formal->GetTypes().empty() && !Admits(*formal, SchemaText(type))) {
        return ModelError(origin_, ": ", graph_.Describe(id), ": input ", i, " (", Name(node, i),
                          ") is ", NameOf(type), ", which ", schema->Name(), " since opset ",
                          schema->SinceVersion(),
                          " does not take there: export the model again, or cast that value");
      }
      if (!formal->GetIsHomogeneous()) continue;
      const auto [it, added] = first.try_emplace(formal->GetTypeStr(), i);
      const ElementType bound = CertainType(node.inputs[it->second]);
      if (added || bound == type || (IsFloat(bound) && IsFloat(type))) continue;
      return ModelError(origin_, ": ", graph_.Describe(id), ": inputs ", it->second, " (",
                        Name(node, it->second), ", ", NameOf(CertainType(node.inputs[it->second])),
                        ") and ", i, " (", Name(node, i), ", ", NameOf(type),
                        ") must be of one type in ", schema->Name(),
                        ": export the model again, or cast one of them");
    }
    for (const ValueId output : node.outputs) {
      if (output != kNone) ONNXQUANT_RETURN_IF_ERROR(CheckDeclared(id, graph_.value(output)));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckDeclared(NodeId id, const Value& value) const {
    if (value.declared == nullptr || !value.declared->type().has_tensor_type()) {
      return absl::OkStatus();
    }
    const auto declared =
        static_cast<ElementType>(value.declared->type().tensor_type().elem_type());
    const ElementType made =
        CertainType(graph_.node(id).outputs[static_cast<std::size_t>(value.output)]);
    const bool known = declared != ElementType::kUndefined && made != ElementType::kUndefined;
    if (!known || declared == made || (IsFloat(declared) && IsFloat(made))) return absl::OkStatus();
    return ModelError(origin_, ": '", value.name, "' is declared ", NameOf(declared), ", but ",
                      graph_.Describe(id), " makes ", NameOf(made),
                      ": export the model again, or correct the declaration");
  }

  // Null also for operators of ONNX Runtime's that stand in ONNX's own domain.
  const onnx::OpSchema* Schema(const Node& node) const {
    if (FindContribOp(node.proto->domain(), node.proto->op_type()) != nullptr) return nullptr;
    return FindBindingSchema(graph_.model().opset_import(), *node.proto);
  }

  std::string Name(const Node& node, std::size_t input) const {
    return absl::StrCat("'", graph_.value(node.inputs[input]).name, "'");
  }

  ElementType CertainType(ValueId id) const {
    if (id == kNone) return ElementType::kUndefined;
    const Value& value = graph_.value(id);
    bool certain = value.initializer != nullptr;
    if (value.producer == kNone) {
      certain = certain || (value.declared != nullptr && value.declared->type().has_tensor_type());
    } else {
      const Node& producer = graph_.node(value.producer);
      certain = !IsControlFlow(*producer.proto) && Schema(producer) != nullptr;
    }
    return certain ? types_[id] : ElementType::kUndefined;
  }

  const Graph& graph_;
  const ValueTypes& types_;
  const std::string& origin_;
};

}  // namespace

absl::Status CheckTypes(const Graph& graph, const ValueTypes& types, const std::string& origin) {
  const TypeChecker checker(graph, types, origin);
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    ONNXQUANT_RETURN_IF_ERROR(checker.Check(id));
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
