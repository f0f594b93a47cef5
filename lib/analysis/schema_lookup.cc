#include "lib/analysis/schema_lookup.h"

#include <vector>

#include "lib/analysis/types.h"

namespace onnxquant {
namespace {

const onnx::OpSchema::FormalParameter* Formal(
    const std::vector<onnx::OpSchema::FormalParameter>& parameters, int index) {
  if (parameters.empty()) return nullptr;
  const auto slot = static_cast<std::size_t>(index);
  if (slot < parameters.size()) return &parameters[slot];
  const bool variadic = parameters.back().GetOption() == onnx::OpSchema::Variadic;
  return variadic ? &parameters.back() : nullptr;
}

}  // namespace

const onnx::OpSchema* FindSchema(const onnx::ModelProto& model, const onnx::NodeProto& node) {
  const std::string domain = IsOnnxDomain(node.domain()) ? "" : node.domain();
  return onnx::OpSchemaRegistry::Schema(node.op_type(), OpsetOf(model, domain), domain);
}

const onnx::OpSchema::FormalParameter* FormalInput(const onnx::OpSchema& schema, int index) {
  return Formal(schema.inputs(), index);
}

const onnx::OpSchema::FormalParameter* FormalOutput(const onnx::OpSchema& schema, int index) {
  return Formal(schema.outputs(), index);
}

bool Admits(const onnx::OpSchema::FormalParameter& parameter, const std::string& type) {
  for (const auto& allowed : parameter.GetTypes()) {
    if (*allowed == type) return true;
  }
  return false;
}

}  // namespace onnxquant
