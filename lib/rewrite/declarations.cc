// What the rewritten model says of itself: declared types, and where it comes from.
#include <cstddef>

#include "lib/rewrite/graph_rewriter.h"

namespace onnxquant {

void GraphRewriter::DeclareInputsAndOutputs() {
  absl::flat_hash_map<std::string, ElementType> types;
  for (const IoPlan& io : input_.plan.io) types[graph_.value(io.value).name] = io.type;
  for (auto* infos : {main_->mutable_input(), main_->mutable_output()}) {
    for (onnx::ValueInfoProto& info : *infos) {
      if (const auto it = types.find(info.name()); it != types.end()) {
        info.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(it->second));
      }
    }
  }
}

// The input's value_info of what is still made here under its name, in its new type. A constant
// speaks for itself.
void GraphRewriter::DeclareValues(ScopeId scope, onnx::GraphProto& out) const {
  if (graph_.scope(scope).graph->value_info().empty()) return;
  absl::flat_hash_set<std::string> made;
  if (scope == kMainScope) {
    sealed_.ForEach([&made](const onnx::NodeProto& node) {
      made.insert(node.output().begin(), node.output().end());
    });
  }
  for (const onnx::NodeProto& node : out.node()) {
    made.insert(node.output().begin(), node.output().end());
  }
  for (const onnx::ValueInfoProto& info : graph_.scope(scope).graph->value_info()) {
    const ValueId id = graph_.Find(scope, info.name());
    if (id == kNone || graph_.value(id).scope != scope || graph_.value(id).producer == kNone) {
      continue;
    }
    if (!made.contains(info.name()) || constants_.Contains(id) || names_.of[id] != info.name()) {
      continue;
    }
    onnx::ValueInfoProto* declared = out.add_value_info();
    *declared = info;
    if (input_.IsFloatValue(id)) {
      declared->mutable_type()->mutable_tensor_type()->set_elem_type(
          static_cast<int>(input_.TypeOf(id)));
    }
  }
}

void GraphRewriter::CountValues() {
  for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
    if (!input_.IsFloatValue(id)) continue;
    if (constants_.Contains(id) || graph_.value(id).initializer != nullptr) continue;
    if (graph_.value(id).producer != kNone && input_.PlanOf(graph_.value(id).producer).passes)
      continue;
    (IsHalf(input_.TypeOf(id)) ? result_.half_values : result_.float32_values) += 1;
  }
}

void GraphRewriter::AddProvenance() {
  const auto set = [this](const char* key, const std::string& value) {
    for (auto& property : *result_.model.mutable_metadata_props()) {
      if (property.key() == key) {
        property.set_value(value);
        return;
      }
    }
    onnx::StringStringEntryProto* property = result_.model.add_metadata_props();
    property->set_key(key);
    property->set_value(value);
  };
  set("onnxquant.policy", input_.plan.policy);
  set("onnxquant.dtype", input_.plan.dtype);
}

}  // namespace onnxquant
