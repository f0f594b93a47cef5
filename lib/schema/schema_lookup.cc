#include "lib/schema/schema_lookup.h"

#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "lib/schema/domain.h"

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

int OpsetOf(const OpsetImports& imports, const std::string& domain) {
  for (const onnx::OperatorSetIdProto& import : imports) {
    const bool same =
        IsOnnxDomain(domain) ? IsOnnxDomain(import.domain()) : import.domain() == domain;
    if (same) return static_cast<int>(import.version());
  }
  return 0;
}

int OpsetOf(const onnx::ModelProto& model, const std::string& domain) {
  return OpsetOf(model.opset_import(), domain);
}

const onnx::OpSchema* FindSchema(const OpsetImports& imports, const onnx::NodeProto& node) {
  const std::string domain = IsOnnxDomain(node.domain()) ? "" : node.domain();
  const int opset = OpsetOf(imports, domain);
  // The registry looks through three maps of strings. Schemas live as long as the program does.
  using Key = std::tuple<absl::string_view, int, absl::string_view>;
  thread_local absl::flat_hash_map<Key, const onnx::OpSchema*> found;
  const auto it = found.find(Key(node.op_type(), opset, domain));
  if (it != found.end()) return it->second;
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(node.op_type(), opset, domain);
  if (schema != nullptr) found.emplace(Key(schema->Name(), opset, schema->domain()), schema);
  return schema;
}

const onnx::OpSchema* FindSchema(const onnx::ModelProto& model, const onnx::NodeProto& node) {
  return FindSchema(model.opset_import(), node);
}

const onnx::OpSchema* FindBindingSchema(const OpsetImports& imports, const onnx::NodeProto& node) {
  const std::string domain = IsOnnxDomain(node.domain()) ? "" : node.domain();
  const auto& known = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  const auto range = known.find(domain);
  if (range == known.end() || OpsetOf(imports, domain) > range->second.second) return nullptr;
  return FindSchema(imports, node);
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
