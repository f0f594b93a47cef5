// The bodies of If, Loop and Scan, and of other operators, whose nodes stay as they are.
#include <cstddef>

#include "lib/base/error.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/graph_rewriter.h"
#include "lib/rewrite/remove_dead.h"

namespace onnxquant {

// Replaces the copied bodies of `node` by converted ones. Graph::Build numbered them in the order
// of the attributes.
absl::Status GraphRewriter::EmitBodies(NodeId owner, onnx::NodeProto& node) {
  std::size_t next = 0;
  const auto replace = [&](onnx::GraphProto& body) {
    body.Clear();
    return EmitBody(graph_.node(owner).bodies[next++], body);
  };
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g()) ONNXQUANT_RETURN_IF_ERROR(replace(*attribute.mutable_g()));
    for (onnx::GraphProto& body : *attribute.mutable_graphs()) {
      ONNXQUANT_RETURN_IF_ERROR(replace(body));
    }
  }
  return absl::OkStatus();
}

// What a body takes and gives has the type of its owner's arithmetic.
absl::Status GraphRewriter::EmitBody(ScopeId scope, onnx::GraphProto& body) {
  const onnx::GraphProto& original = *graph_.scope(scope).graph;
  body.set_name(original.name());
  body.set_doc_string(original.doc_string());
  *body.mutable_input() = original.input();
  *body.mutable_output() = original.output();
  *body.mutable_sparse_initializer() = original.sparse_initializer();
  *body.mutable_quantization_annotation() = original.quantization_annotation();
  *body.mutable_metadata_props() = original.metadata_props();
  for (onnx::ValueInfoProto& input : *body.mutable_input()) {
    const ValueId id = graph_.Find(scope, input.name());
    if (!input_.IsFloatValue(id) || !input.has_type()) continue;
    input.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(input_.TypeOf(id)));
  }
  ONNXQUANT_RETURN_IF_ERROR(EmitBodyInitializers(scope, body));
  ONNXQUANT_RETURN_IF_ERROR(EmitNodes(scope, body));
  SealedNodes none;
  RemoveDead(body, none);
  RemoveUnreadInitializers(body);
  DeclareValues(scope, body);
  return absl::OkStatus();
}

// Names are the body's own affair, so a cast output simply takes the cast's name.
void GraphRewriter::NameBodyOutputs(ScopeId scope) {
  const NodePlan& owner = input_.PlanOf(graph_.scope(scope).owner);
  const std::vector<ValueId>& outputs = graph_.outputs(scope);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    onnx::ValueInfoProto& info = *out_->mutable_output(static_cast<int>(i));
    const bool floats = input_.IsFloatValue(outputs[i]);
    const bool uniform = owner.changes && !owner.mixed;
    const ElementType wanted = uniform ? owner.compute : input_.OriginalType(outputs[i]);
    const bool cast = floats && input_.TypeOf(outputs[i]) != wanted;
    info.set_name(cast ? CastOf(outputs[i], wanted, Look::kHere) : names_.of[outputs[i]]);
    if (floats && info.has_type()) {
      info.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(wanted));
    }
  }
}

absl::Status GraphRewriter::EmitBodyInitializers(ScopeId scope, onnx::GraphProto& body) {
  for (const onnx::TensorProto& tensor : graph_.scope(scope).graph->initializer()) {
    const WeightPlan* weight = constants_.plans[graph_.Find(scope, tensor.name())];
    if (weight == nullptr) {
      onnx::TensorProto* copy = body.add_initializer();
      *copy = tensor;
      ONNXQUANT_RETURN_IF_ERROR(EmbedTensor(input_.model, tensor, *copy));
      continue;
    }
    for (const WeightCopy& copy : weight->copies) {
      if (copy.in_main) {
        AddCopy(tensor, copy);
        continue;
      }
      ONNXQUANT_ASSIGN_OR_RETURN(*body.add_initializer(),
                                 SmallCopy(tensor, copy, "initializer '" + tensor.name() + "'"));
    }
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
