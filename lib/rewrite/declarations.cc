#include "lib/rewrite/declarations.h"

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace onnxquant {
namespace {

void SetMetadata(onnx::ModelProto& model, const char* key, const std::string& value) {
  for (onnx::StringStringEntryProto& property : *model.mutable_metadata_props()) {
    if (property.key() == key) {
      property.set_value(value);
      return;
    }
  }
  onnx::StringStringEntryProto* property = model.add_metadata_props();
  property->set_key(key);
  property->set_value(value);
}

}  // namespace

Rewritten StartFromInput(const onnx::ModelProto& input) {
  Rewritten result;
  onnx::ModelProto& output = result.model;
  output.set_ir_version(input.ir_version());
  *output.mutable_opset_import() = input.opset_import();
  output.set_producer_name(input.producer_name());
  output.set_producer_version(input.producer_version());
  output.set_domain(input.domain());
  output.set_model_version(input.model_version());
  output.set_doc_string(input.doc_string());
  *output.mutable_metadata_props() = input.metadata_props();
  *output.mutable_functions() = input.functions();
  onnx::GraphProto& main = *output.mutable_graph();
  main.set_name(input.graph().name());
  main.set_doc_string(input.graph().doc_string());
  *main.mutable_input() = input.graph().input();
  *main.mutable_output() = input.graph().output();
  *main.mutable_sparse_initializer() = input.graph().sparse_initializer();
  *main.mutable_quantization_annotation() = input.graph().quantization_annotation();
  *main.mutable_metadata_props() = input.graph().metadata_props();
  if (input.training_info_size() > 0) {
    result.warnings.push_back("the model's training info was left out: it is for float32 weights");
  }
  return result;
}

void DeclareInputsAndOutputs(const RewriteInput& input, onnx::GraphProto& main) {
  absl::flat_hash_map<std::string, ElementType> types;
  for (const IoPlan& io : input.plan.io) types[input.graph().value(io.value).name] = io.type;
  for (auto* infos : {main.mutable_input(), main.mutable_output()}) {
    for (onnx::ValueInfoProto& info : *infos) {
      if (const auto it = types.find(info.name()); it != types.end()) {
        info.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(it->second));
      }
    }
  }
}

void DeclareValues(const EmitInput& input, ScopeId scope, const SealedNodes& sealed,
                   onnx::GraphProto& out) {
  const Graph& graph = input.graph();
  const auto& declared = graph.scope(scope).graph->value_info();
  if (declared.empty()) return;
  absl::flat_hash_set<std::string> made;
  const auto add = [&made](const onnx::NodeProto& node) {
    made.insert(node.output().begin(), node.output().end());
  };
  sealed.ForEach(add);
  for (const onnx::NodeProto& node : out.node()) add(node);
  for (const onnx::ValueInfoProto& info : declared) {
    const ValueId id = graph.Find(scope, info.name());
    if (id == kNone || graph.value(id).scope != scope || graph.value(id).producer == kNone) {
      continue;
    }
    if (!made.contains(info.name()) || input.constants.Contains(id) ||
        input.constants.shortened.contains(id) || input.names.Of(id) != info.name()) {
      continue;
    }
    onnx::ValueInfoProto* now = out.add_value_info();
    *now = info;
    if (input.IsFloatValue(id)) {
      now->mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(input.TypeOf(id)));
    }
  }
}

void CountValues(const EmitInput& input, Rewritten& result) {
  for (ValueId id = 0; id < static_cast<ValueId>(input.graph().values().size()); ++id) {
    if (!input.IsFloatValue(id)) continue;
    const Value& value = input.graph().value(id);
    if (input.constants.Contains(id) || value.initializer != nullptr) continue;
    if (value.producer != kNone && (input.PlanOf(value.producer).passes ||
                                    input.constants.replaced.contains(value.producer))) {
      continue;
    }
    (IsHalf(input.TypeOf(id)) ? result.half_values : result.float32_values) += 1;
  }
}

void AddProvenance(const OutputPlan& plan, onnx::ModelProto& model) {
  SetMetadata(model, "onnxquant.policy", plan.policy);
  SetMetadata(model, "onnxquant.dtype", plan.dtype);
}

}  // namespace onnxquant
