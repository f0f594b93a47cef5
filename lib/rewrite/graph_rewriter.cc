#include "lib/rewrite/graph_rewriter.h"

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/remove_dead.h"

namespace onnxquant {
GraphRewriter::GraphRewriter(const RewriteInput& input, int sealed_at_once)
    : input_(input),
      graph_(input.graph()),
      sealed_at_once_(sealed_at_once),
      constants_(FindStoredConstants(input)),
      taken_(FindTakenNames(input)),
      names_(NameValues(input, constants_, taken_.values)) {}

absl::StatusOr<Rewritten> GraphRewriter::Run() {
  StartFromTheInput();
  for (const auto& [output, type] : names_.cast_outputs) {
    casts_[{kMainScope, output, type}] = graph_.value(output).name;
  }
  StoreInitializers();
  ONNXQUANT_RETURN_IF_ERROR(EmitNodes(kMainScope, *main_));
  taken_ = {};  // no name is given any more
  RemoveUnreadInitializers(result_, RemoveDead(*main_, sealed_));
  DeclareInputsAndOutputs();
  DeclareValues(kMainScope, *main_);
  result_.sealed_nodes = std::move(sealed_).Fields();
  CountValues();
  AddProvenance();
  return std::move(result_);
}

void GraphRewriter::StartFromTheInput() {
  const onnx::ModelProto& input = input_.model.proto();
  onnx::ModelProto& output = result_.model;
  output.set_ir_version(input.ir_version());
  *output.mutable_opset_import() = input.opset_import();
  output.set_producer_name(input.producer_name());
  output.set_producer_version(input.producer_version());
  output.set_domain(input.domain());
  output.set_model_version(input.model_version());
  output.set_doc_string(input.doc_string());
  *output.mutable_metadata_props() = input.metadata_props();
  *output.mutable_functions() = input.functions();
  main_ = output.mutable_graph();
  main_->set_name(input.graph().name());
  main_->set_doc_string(input.graph().doc_string());
  *main_->mutable_input() = input.graph().input();
  *main_->mutable_output() = input.graph().output();
  *main_->mutable_sparse_initializer() = input.graph().sparse_initializer();
  *main_->mutable_quantization_annotation() = input.graph().quantization_annotation();
  *main_->mutable_metadata_props() = input.graph().metadata_props();
  if (input.training_info_size() > 0) {
    result_.warnings.push_back("the model's training info was left out: it is for float32 weights");
  }
}

void GraphRewriter::EmitOutputCast(ValueId output) {
  EmitCast(names_.of[output], names_.cast_outputs.at(output), graph_.value(output).name);
}

// The nodes of one graph of the input, and the casts that its readers need, go to `out`.
absl::Status GraphRewriter::EmitNodes(ScopeId scope, onnx::GraphProto& out) {
  onnx::GraphProto* const outer = std::exchange(out_, &out);
  const ScopeId outer_scope = std::exchange(scope_, scope);
  if (scope == kMainScope) {
    for (const auto& [output, type] : names_.cast_outputs) {
      if (graph_.value(output).producer == kNone) EmitOutputCast(output);
    }
  }
  for (const NodeId id : graph_.order(scope)) {
    ONNXQUANT_RETURN_IF_ERROR(EmitNode(id));
    for (const ValueId output : graph_.node(id).outputs) {
      if (names_.cast_outputs.contains(output)) EmitOutputCast(output);
    }
    if (scope == kMainScope && out.node_size() >= sealed_at_once_) sealed_.Take(out);
  }
  if (scope != kMainScope) NameBodyOutputs(scope);
  out_ = outer;
  scope_ = outer_scope;
  return absl::OkStatus();
}

absl::Status GraphRewriter::EmitNode(NodeId id) {
  const Node& source = graph_.node(id);
  if (source.outputs.size() == 1 && constants_.Contains(source.outputs[0])) {
    return EmitConstants(id);
  }
  if (input_.PlanOf(id).passes) return absl::OkStatus();
  onnx::NodeProto node = *source.proto;
  ONNXQUANT_RETURN_IF_ERROR(EmbedTensors(input_.model, *source.proto, node));
  for (int i = 0; i < node.input_size(); ++i) {
    if (input_.ValueAt({id, i}) == kNone) continue;
    node.set_input(i, ScaledInputName({id, i}, InputName({id, i})));
  }
  for (int i = 0; const ValueId value : source.outputs) {
    if (value != kNone) node.set_output(i, names_.of[value]);
    ++i;
  }
  ONNXQUANT_RETURN_IF_ERROR(ReadCodes(id, node));
  SetAccuracyLevel(id, node);
  ONNXQUANT_RETURN_IF_ERROR(SetOutputType(id, node));
  SpellCastLike(id, node);
  ONNXQUANT_RETURN_IF_ERROR(EmitBodies(id, node));
  ScaleEpsilon(id, node);
  if (input_.PlanOf(id).clip > 0) {
    EmitWithClip(id, std::move(node));
  } else {
    *out_->add_node() = std::move(node);
  }
  return absl::OkStatus();
}

std::string GraphRewriter::UniqueValue(const std::string& wanted) {
  return taken_.values.Take(wanted);
}

std::string GraphRewriter::UniqueNode(const std::string& wanted) {
  return taken_.nodes.Take(wanted);
}

absl::StatusOr<Rewritten> Rewrite(const Model& model, const Analysis& analysis,
                                  const OutputPlan& plan, int sealed_at_once) {
  return GraphRewriter({model, analysis, plan}, sealed_at_once).Run();
}

}  // namespace onnxquant
