#include "lib/rewrite/graph_rewriter.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/remove_dead.h"

namespace onnxquant {
GraphRewriter::GraphRewriter(const Model& model, const Analysis& analysis, const OutputPlan& plan,
                             int sealed_at_once)
    : model_(model),
      analysis_(analysis),
      graph_(analysis.graph),
      plan_(plan),
      sealed_at_once_(sealed_at_once) {
  // What is left out leaves its names to what takes its place, so that a model which is converted
  // again comes out the same.
  for (const Value& value : graph_.values()) {
    const bool gone = value.producer != kNone && PlanOf(value.producer).passes;
    if (!gone || (value.graph_output && value.scope == kMainScope)) value_names_.Insert(value.name);
    names_.push_back(value.name);
  }
  for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes().size()); ++id) {
    if (!PlanOf(id).passes) node_names_.Insert(graph_.node(id).proto->name());
  }
  for (const WeightPlan& weight : plan.weights) {
    weights_[weight.weight] = &weight;
    for (const WeightCopy& copy : weight.copies) {
      for (const std::string& name : copy.names) value_names_.Insert(name);
      for (const std::size_t use : copy.uses) {
        const WeightUse& read = analysis.weight_uses[use];
        const bool floats = copy.format.IsFloat();
        bool directly = true;
        for (const NodeId link : read.chain) {
          // Of several copies behind one Transpose, the Transpose reads the one in its own type.
          const bool its_own = PlanOf(link).passes || copy.format.type == PlanOf(link).compute;
          if (floats && its_own) copy_read_by_[{link, 0}] = {&copy, directly};
          directly = directly && PlanOf(link).passes;
        }
        copy_read_by_[{read.reader.node, read.reader.input}] = {&copy, directly};
      }
    }
  }
  for (const IoPlan& io : plan.io) {
    const Value& value = graph_.value(io.value);
    if (!value.graph_output || value.graph_input || TypeOf(io.value) == io.type) continue;
    output_types_[io.value] = io.type;
  }
}

absl::StatusOr<Rewritten> GraphRewriter::Run() {
  StartFromTheInput();
  NameOutputs();
  StoreInitializers();
  ONNXQUANT_RETURN_IF_ERROR(EmitNodes(kMainScope, *main_));
  value_names_ = {};  // no name is given any more
  node_names_ = {};
  RemoveUnreadInitializers(result_, RemoveDead(*main_, sealed_));
  DeclareInputsAndOutputs();
  DeclareValues(kMainScope, *main_);
  result_.sealed_nodes = std::move(sealed_).Fields();
  CountValues();
  AddProvenance();
  return std::move(result_);
}

void GraphRewriter::StartFromTheInput() {
  const onnx::ModelProto& input = model_.proto();
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

// A graph output keeps its name; where its type differs from the one its producer gives, the
// producer's value gets a new name and a Cast makes the output.
void GraphRewriter::NameOutputs() {
  for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes().size()); ++id) {
    if (!PlanOf(id).passes) continue;
    const Value& output = graph_.value(graph_.node(id).outputs[0]);
    if (!output.graph_output || output.scope != kMainScope) continue;
    const ValueId read = ReadInPlaceOf(graph_.node(id).outputs[0]);
    names_[static_cast<std::size_t>(read)] = output.name;
  }
  for (const auto& [value, type] : output_types_) {
    names_[static_cast<std::size_t>(value)] =
        UniqueValue(absl::StrCat(graph_.value(value).name, "_", NameOf(TypeOf(value))));
    casts_[{kMainScope, value, type}] = graph_.value(value).name;
  }
}

void GraphRewriter::EmitOutputCast(ValueId output) {
  EmitCast(names_[static_cast<std::size_t>(output)], output_types_.at(output),
           graph_.value(output).name);
}

// The nodes of one graph of the input, and the casts that its readers need, go to `out`.
absl::Status GraphRewriter::EmitNodes(ScopeId scope, onnx::GraphProto& out) {
  onnx::GraphProto* const outer = std::exchange(out_, &out);
  const ScopeId outer_scope = std::exchange(scope_, scope);
  if (scope == kMainScope) {
    for (const auto& [output, type] : output_types_) {
      if (graph_.value(output).producer == kNone) EmitOutputCast(output);
    }
  }
  for (const NodeId id : graph_.order(scope)) {
    ONNXQUANT_RETURN_IF_ERROR(EmitNode(id));
    for (const ValueId output : graph_.node(id).outputs) {
      if (output_types_.contains(output)) EmitOutputCast(output);
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
  if (source.outputs.size() == 1 && weights_.contains(source.outputs[0])) return EmitConstants(id);
  if (PlanOf(id).passes) {
    const Reading reading = CopyReadBy({id, 0});
    names_[static_cast<std::size_t>(source.outputs[0])] =
        reading.copy != nullptr && reading.directly
            ? reading.copy->names[0]
            : names_[static_cast<std::size_t>(source.inputs[0])];
    return absl::OkStatus();
  }
  onnx::NodeProto node = *source.proto;
  ONNXQUANT_RETURN_IF_ERROR(EmbedTensors(model_, *source.proto, node));
  for (int i = 0; i < node.input_size(); ++i) {
    if (source.inputs[static_cast<std::size_t>(i)] == kNone) continue;
    node.set_input(i, ScaledInputName({id, i}, InputName({id, i})));
  }
  for (int i = 0; i < node.output_size(); ++i) {
    const ValueId value = source.outputs[static_cast<std::size_t>(i)];
    if (value != kNone) node.set_output(i, names_[static_cast<std::size_t>(value)]);
  }
  ReadCodes(id, node);
  SetAccuracyLevel(id, node);
  ONNXQUANT_RETURN_IF_ERROR(SetOutputType(id, node));
  SpellCastLike(id, node);
  ONNXQUANT_RETURN_IF_ERROR(EmitBodies(id, node));
  ScaleEpsilon(id, node);
  if (plan_.stream.clips.contains(id)) {
    EmitWithClip(id, std::move(node));
  } else {
    *out_->add_node() = std::move(node);
  }
  return absl::OkStatus();
}

std::string GraphRewriter::UniqueValue(const std::string& wanted) {
  return value_names_.Take(wanted);
}

std::string GraphRewriter::UniqueNode(const std::string& wanted) {
  return node_names_.Take(wanted);
}

absl::StatusOr<Rewritten> Rewrite(const Model& model, const Analysis& analysis,
                                  const OutputPlan& plan, int sealed_at_once) {
  return GraphRewriter(model, analysis, plan, sealed_at_once).Run();
}

}  // namespace onnxquant
