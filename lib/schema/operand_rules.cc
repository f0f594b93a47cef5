#include "lib/schema/operand_rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "lib/base/limits.h"
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

// What these give is said by an attribute, and their inference asks whether the input has a type:
// behind an operator that ONNX does not know it is all that tells the types of what follows.
constexpr const char* kTypedByAttribute[] = {"Cast"};

bool IsTypedByAttribute(const OpSchema& schema) {
  return std::any_of(std::begin(kTypedByAttribute), std::end(kTypedByAttribute),
                     [&schema](const char* op) { return schema.Name() == op; });
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
    if (type == nullptr && IsTypedByAttribute(schema)) continue;
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

// Inputs that say with a list of numbers how many dimensions the result has: inference makes as
// many, though nothing but the length of the list is known.
struct ShapeInput {
  const char* op;
  std::size_t input;
};
constexpr ShapeInput kShapeInputs[] = {
    {"AffineGrid", 1},      {"CenterCropPad", 1}, {"Col2Im", 1},    {"Col2Im", 2}, {"Col2Im", 4},
    {"ConstantOfShape", 0}, {"Expand", 1},        {"MaxUnpool", 2}, {"Pad", 1},    {"Reshape", 1},
    {"Resize", 1},          {"Resize", 2},        {"Resize", 3},    {"Tile", 1},   {"Unsqueeze", 1},
    {"Upsample", 1},
};

std::string WhyNotShapes(const OpSchema& schema, const onnx::InferenceContext& context) {
  for (std::size_t i = 0; i < context.getNumInputs(); ++i) {
    const onnx::TypeProto* type = context.hasInput(i) ? context.getInputType(i) : nullptr;
    if (type == nullptr || !type->has_tensor_type()) continue;
    const onnx::TensorShapeProto& shape = type->tensor_type().shape();
    for (const auto& dim : shape.dim()) {
      if (dim.has_dim_value() && dim.dim_value() < 0) return "a negative dimension";
    }
    for (const ShapeInput& row : kShapeInputs) {
      if (schema.Name() != row.op || row.input != i || shape.dim_size() == 0) continue;
      if (shape.dim(0).dim_value() > limits::kRank) return "too many dimensions";
    }
  }
  return "";
}

// Inference divides by these.
constexpr const char* kDivisors[] = {"strides", "dilations", "blocksize", "group"};

std::string WhyNotDivisors(const OpSchema&, const onnx::InferenceContext& context) {
  for (const char* name : kDivisors) {
    const AttributeProto* attribute = context.getAttribute(name);
    if (attribute == nullptr) continue;
    bool positive = attribute->type() != AttributeProto::INT || attribute->i() > 0;
    for (const std::int64_t number : attribute->ints()) positive = positive && number > 0;
    if (!positive) return absl::StrCat(name, " is not positive");
  }
  return "";
}

// Inference counts dimensions from these on without asking whether that is within the shape.
constexpr const char* kCounts[] = {"batch_dims"};

std::string WhyNotCounts(const OpSchema&, const onnx::InferenceContext& context) {
  for (const char* name : kCounts) {
    const AttributeProto* attribute = context.getAttribute(name);
    if (attribute != nullptr && attribute->i() < 0) return absl::StrCat(name, " is negative");
  }
  return "";
}

}  // namespace

std::string WhyNotToInfer(const OpSchema& schema, const onnx::InferenceContext& context) {
  for (const auto rule : {WhyNotInputs, WhyNotOutputs, WhyNotAttributes, WhyNotShapes,
                          WhyNotDivisors, WhyNotCounts}) {
    if (std::string why = rule(schema, context); !why.empty()) return why;
  }
  return "";
}

}  // namespace onnxquant
