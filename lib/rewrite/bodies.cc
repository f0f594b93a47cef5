#include "lib/rewrite/bodies.h"

#include <cstddef>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/rewrite/declarations.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/emit_nodes.h"
#include "lib/rewrite/remove_dead.h"
#include "lib/rewrite/stored_weights.h"

namespace onnxquant {
namespace {

// What a body takes and gives has the type of its owner's arithmetic.
void StartBody(const RewriteInput& input, ScopeId scope, onnx::GraphProto& body) {
  const onnx::GraphProto& original = *input.graph().scope(scope).graph;
  body.set_name(original.name());
  body.set_doc_string(original.doc_string());
  *body.mutable_input() = original.input();
  *body.mutable_output() = original.output();
  *body.mutable_sparse_initializer() = original.sparse_initializer();
  *body.mutable_quantization_annotation() = original.quantization_annotation();
  *body.mutable_metadata_props() = original.metadata_props();
  for (onnx::ValueInfoProto& info : *body.mutable_input()) {
    const ValueId id = input.graph().Find(scope, info.name());
    if (!input.IsFloatValue(id) || !info.has_type()) continue;
    info.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(input.TypeOf(id)));
  }
}

absl::Status StoreBodyInitializers(const EmitInput& input, ScopeId scope, onnx::GraphProto& body,
                                   GraphWriter& writer) {
  for (const onnx::TensorProto& tensor : input.graph().scope(scope).graph->initializer()) {
    const ValueId id = input.graph().Find(scope, tensor.name());
    const WeightPlan* weight = input.constants.plans[id];
    if (weight == nullptr) {
      onnx::TensorProto* copy = body.add_initializer();
      *copy = tensor;
      ONNXQUANT_RETURN_IF_ERROR(EmbedTensor(input.model, tensor, *copy));
      continue;
    }
    for (const WeightCopy& copy : weight->copies) {
      if (copy.in_main) {
        AddCopy(tensor, copy, writer);
        continue;
      }
      ONNXQUANT_ASSIGN_OR_RETURN(
          *body.add_initializer(),
          SmallCopy(input.model, tensor, copy, "initializer '" + tensor.name() + "'",
                    writer.warnings()));
    }
  }
  return absl::OkStatus();
}

// Names are the body's own affair, so a cast output simply takes the cast's name.
void NameBodyOutputs(const EmitInput& input, ScopeId scope, onnx::GraphProto& body,
                     GraphWriter& writer, CastTable& casts) {
  const NodePlan& owner = input.PlanOf(input.graph().scope(scope).owner);
  for (int i = 0; const ValueId output : input.graph().outputs(scope)) {
    onnx::ValueInfoProto& info = *body.mutable_output(i++);
    const bool floats = input.IsFloatValue(output);
    const bool uniform = owner.changes && !owner.mixed;
    const ElementType wanted = uniform ? owner.compute : input.OriginalType(output);
    const bool cast = floats && input.TypeOf(output) != wanted;
    info.set_name(cast ? CastOf(input, output, wanted, Look::kHere, writer, casts)
                       : input.names.Of(output));
    if (floats && info.has_type()) {
      info.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(wanted));
    }
  }
}

absl::Status EmitBody(const EmitInput& input, ScopeId scope, onnx::GraphProto& body,
                      GraphWriter& writer, CastTable& casts) {
  StartBody(input, scope, body);
  ONNXQUANT_RETURN_IF_ERROR(StoreBodyInitializers(input, scope, body, writer));
  writer.Open(scope, body);
  ONNXQUANT_RETURN_IF_ERROR(EmitNodes(input, scope, writer, casts));
  NameBodyOutputs(input, scope, body, writer, casts);
  writer.Close();
  SealedNodes none;
  RemoveDead(body, none);
  RemoveUnreadInitializers(body);
  DeclareValues(input, scope, none, body);
  return absl::OkStatus();
}

}  // namespace

// Graph::Build numbered the bodies in the order of the attributes.
absl::Status EmitBodies(const EmitInput& input, NodeId owner, onnx::NodeProto& node,
                        GraphWriter& writer, CastTable& casts) {
  auto scope = input.graph().node(owner).bodies.begin();
  const auto replace = [&](onnx::GraphProto& body) {
    body.Clear();
    return EmitBody(input, *scope++, body, writer, casts);
  };
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g()) ONNXQUANT_RETURN_IF_ERROR(replace(*attribute.mutable_g()));
    for (onnx::GraphProto& body : *attribute.mutable_graphs()) {
      ONNXQUANT_RETURN_IF_ERROR(replace(body));
    }
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
