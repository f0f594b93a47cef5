#include "lib/schema/operand_rules.h"

#include <cstddef>
#include <cstdint>
#include <exception>

#include "absl/strings/str_cat.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
namespace {

using onnx::AttributeProto;
using onnx::OpSchema;

// As schemas spell types: "tensor(float)", "seq(tensor(int64))"; empty where part of it is missing.
std::string TypeText(const onnx::TypeProto& type) {
  try {
    return *onnx::Utils::DataTypeUtils::ToType(type);
  } catch (const std::exception&) {
    return "";
  }
}

bool HasField(const AttributeProto& attribute) {
  switch (attribute.type()) {
    case AttributeProto::UNDEFINED:
      return false;
    case AttributeProto::TENSOR:
      return attribute.has_t();
    case AttributeProto::GRAPH:
      return attribute.has_g();
    case AttributeProto::SPARSE_TENSOR:
      return attribute.has_sparse_tensor();
    case AttributeProto::TYPE_PROTO:
      return attribute.has_tp();
    default:
      return true;  // zero, "" and the empty list need no field
  }
}

std::string WhyNotAttributes(const OpSchema& schema, const onnx::InferenceContext& context) {
  for (const auto& [name, formal] : schema.attributes()) {
    const AttributeProto* attribute = context.getAttribute(name);
    if (attribute == nullptr) {
      if (formal.required) return absl::StrCat("attribute '", name, "' is missing");
      continue;
    }
    if (attribute->type() != formal.type || !HasField(*attribute)) {
      return absl::StrCat("attribute '", name, "' is of another kind");
    }
  }
  return "";
}

std::string WhyNotInputs(const OpSchema& schema, const onnx::InferenceContext& context) {
  const int count = static_cast<int>(context.getNumInputs());
  if (count < schema.min_input() || count > schema.max_input()) return "number of inputs";
  for (int i = 0; i < count; ++i) {
    const OpSchema::FormalParameter* formal = FormalInput(schema, i);
    if (formal == nullptr) return "number of inputs";
    const auto slot = static_cast<std::size_t>(i);
    if (!context.hasInput(slot)) {
      if (formal->GetOption() == OpSchema::Single) return absl::StrCat("input ", i, " is missing");
      continue;
    }
    const onnx::TypeProto* type = context.getInputType(slot);
    if (type == nullptr) return absl::StrCat("input ", i, " has no type");
    const std::string text = TypeText(*type);
    if (text.empty() || (!formal->GetTypes().empty() && !Admits(*formal, text))) {
      return absl::StrCat("input ", i, " is of type '", text, "'");
    }
  }
  return "";
}

std::string WhyNotOutputs(const OpSchema& schema, const onnx::InferenceContext& context) {
  const int count = static_cast<int>(context.getNumOutputs());
  return count < schema.min_output() || count > schema.max_output() ? "number of outputs" : "";
}

}  // namespace

std::string WhyNotToInfer(const OpSchema& schema, const onnx::InferenceContext& context) {
  for (const auto rule : {WhyNotInputs, WhyNotOutputs, WhyNotAttributes}) {
    if (std::string why = rule(schema, context); !why.empty()) return why;
  }
  return "";
}

}  // namespace onnxquant
