#include "lib/rewrite/emit_nodes.h"

#include <utility>

#include "lib/base/error.h"
#include "lib/rewrite/bodies.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/operators.h"
#include "lib/rewrite/residual.h"
#include "lib/rewrite/stored_weights.h"

namespace onnxquant {
namespace {

void NameInputsAndOutputs(const EmitInput& input, NodeId id, onnx::NodeProto& node,
                          GraphWriter& writer, CastTable& casts) {
  for (int i = 0; i < node.input_size(); ++i) {
    const Use slot = {id, i};
    if (input.ValueAt(slot) == kNone) continue;
    node.set_input(i, ScaledInputName(input, slot, InputName(input, slot, writer, casts), writer));
  }
  for (int i = 0; const ValueId value : input.graph().node(id).outputs) {
    if (value != kNone) node.set_output(i, input.names.Of(value));
    ++i;
  }
}

absl::Status EmitNode(const EmitInput& input, NodeId id, GraphWriter& writer, CastTable& casts) {
  const Node& source = input.graph().node(id);
  if (source.outputs.size() == 1 && input.constants.Contains(source.outputs[0])) {
    return EmitConstants(input, id, writer);
  }
  if (input.PlanOf(id).passes || input.constants.replaced.contains(id)) return absl::OkStatus();
  onnx::NodeProto node = *source.proto;
  ONNXQUANT_RETURN_IF_ERROR(EmbedTensors(input.model, *source.proto, node));
  NameInputsAndOutputs(input, id, node, writer, casts);
  const int first = writer.graph().node_size();
  ReadCodes(input.constants, id, node, writer);
  // A bias, a factor or a Transpose may stand behind the product that reads the codes.
  for (int i = first; i < writer.graph().node_size(); ++i) {
    SetAccuracyLevel(input, id, *writer.graph().mutable_node(i));
  }
  SetAccuracyLevel(input, id, node);
  ONNXQUANT_RETURN_IF_ERROR(SetOutputType(input, id, node, writer.warnings()));
  SpellCastLike(input, id, node);
  ONNXQUANT_RETURN_IF_ERROR(EmitBodies(input, id, node, writer, casts));
  ScaleEpsilon(input, id, node);
  if (input.plan.stream.clips.contains(id)) {
    EmitWithClip(input, id, std::move(node), writer);
  } else {
    writer.AddNode(std::move(node));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EmitMainGraph(const EmitInput& input, GraphWriter& writer, CastTable& casts) {
  for (const auto& [output, type] : input.names.cast_outputs) {
    const bool constant = input.graph().value(output).producer == kNone;
    if (constant) EmitOutputCast(input, output, writer, casts);
  }
  return EmitNodes(input, kMainScope, writer, casts);
}

absl::Status EmitNodes(const EmitInput& input, ScopeId scope, GraphWriter& writer,
                       CastTable& casts) {
  for (const NodeId id : input.graph().order(scope)) {
    ONNXQUANT_RETURN_IF_ERROR(EmitNode(input, id, writer, casts));
    for (const ValueId output : input.graph().node(id).outputs) {
      if (!input.names.cast_outputs.contains(output)) continue;
      EmitOutputCast(input, output, writer, casts);
    }
    writer.SealIfMany();
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
