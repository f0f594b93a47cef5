#include "lib/rewrite/graph_rewriter.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/rewrite/constants.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/remove_dead.h"

namespace onnxquant {
namespace {

void SetInt(onnx::NodeProto& node, const char* name, std::int64_t value) {
  onnx::AttributeProto* attribute = nullptr;
  for (onnx::AttributeProto& existing : *node.mutable_attribute()) {
    if (existing.name() == name) attribute = &existing;
  }
  if (attribute == nullptr) attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(value);
}

void SetElementType(onnx::ValueInfoProto& info, ElementType type) {
  info.mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(type));
}

void RequireContribOpset(onnx::ModelProto& model) {
  for (const onnx::OperatorSetIdProto& import : model.opset_import()) {
    if (import.domain() == "com.microsoft") return;
  }
  onnx::OperatorSetIdProto* import = model.add_opset_import();
  import->set_domain("com.microsoft");
  import->set_version(1);
}

// Renames what `graph` reads from outside, in its nodes and in their bodies; a name that the graph
// defines itself is another value.
void RenameReads(onnx::GraphProto& graph, absl::flat_hash_map<std::string, std::string> renames) {
  for (const auto& input : graph.input()) renames.erase(input.name());
  for (const auto& initializer : graph.initializer()) renames.erase(initializer.name());
  for (const auto& node : graph.node()) {
    for (const auto& output : node.output()) renames.erase(output);
  }
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (std::string& input : *node.mutable_input()) {
      if (const auto it = renames.find(input); it != renames.end()) input = it->second;
    }
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) RenameReads(*attribute.mutable_g(), renames);
      for (onnx::GraphProto& body : *attribute.mutable_graphs()) RenameReads(body, renames);
    }
  }
}

}  // namespace

GraphRewriter::GraphRewriter(const Model& model, const Analysis& analysis, const OutputPlan& plan)
    : model_(model), analysis_(analysis), graph_(analysis.graph), plan_(plan) {
  for (const Value& value : graph_.values()) {
    value_names_.insert(value.name);
    names_.push_back(value.name);
    if (value.scope != kMainScope) continue;
    for (const Use& use : value.uses) {
      NodeId owner = use.node;
      while (graph_.node(owner).scope != kMainScope) {
        owner = graph_.scopes()[static_cast<std::size_t>(graph_.node(owner).scope)].owner;
      }
      if (owner != use.node) captured_[owner].push_back(use);
    }
  }
  for (const Node& node : graph_.nodes()) node_names_.insert(node.proto->name());
  for (const WeightPlan& weight : plan.weights) {
    weights_[weight.weight] = &weight;
    for (const WeightCopy& copy : weight.copies) {
      for (const std::string& name : copy.names) value_names_.insert(name);
      for (const std::size_t use : copy.uses) {
        const WeightUse& read = analysis.weight_uses[use];
        copy_read_by_[{read.reader.node, read.reader.input}] = &copy;
        // Of several copies behind one Transpose, the Transpose reads the one in its own type.
        if (copy.format.kind != WeightFormat::Kind::kFloat) continue;
        for (const NodeId link : read.chain) {
          if (copy.format.type == PlanOf(link).compute) copy_read_by_[{link, 0}] = &copy;
        }
      }
    }
  }
  for (const IoPlan& io : plan.io) {
    if (graph_.value(io.value).graph_output) output_types_[io.value] = io.type;
  }
}

absl::StatusOr<Rewritten> GraphRewriter::Run() {
  StartFromTheInput();
  NameOutputs();
  StoreInitializers();
  ONNXQUANT_RETURN_IF_ERROR(EmitNodes());
  RemoveDead(result_);
  DeclareTypes();
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
  out_ = output.mutable_graph();
  out_->set_name(input.graph().name());
  out_->set_doc_string(input.graph().doc_string());
  *out_->mutable_input() = input.graph().input();
  *out_->mutable_output() = input.graph().output();
  *out_->mutable_sparse_initializer() = input.graph().sparse_initializer();
  *out_->mutable_metadata_props() = input.graph().metadata_props();
}

// A graph output keeps its name; where its type differs from the one its producer gives, the
// producer's value gets a new name and a Cast makes the output.
void GraphRewriter::NameOutputs() {
  for (const auto& [value, type] : output_types_) {
    if (graph_.value(value).producer == kNone || TypeOf(value) == type) continue;
    names_[static_cast<std::size_t>(value)] =
        UniqueValue(absl::StrCat(graph_.value(value).name, "_", NameOf(TypeOf(value))));
    casts_[{value, type}] = graph_.value(value).name;
  }
}

absl::Status GraphRewriter::EmitNodes() {
  for (const NodeId id : graph_.order()) {
    if (graph_.node(id).scope != kMainScope) continue;
    ONNXQUANT_RETURN_IF_ERROR(EmitNode(id));
    for (const ValueId output : graph_.node(id).outputs) {
      const auto wanted = output_types_.find(output);
      if (wanted == output_types_.end() || TypeOf(output) == wanted->second) continue;
      EmitCast(names_[static_cast<std::size_t>(output)], wanted->second, graph_.value(output).name);
    }
  }
  return absl::OkStatus();
}

absl::Status GraphRewriter::EmitNode(NodeId id) {
  const Node& source = graph_.node(id);
  if (source.outputs.size() == 1 && weights_.contains(source.outputs[0])) return EmitConstants(id);
  if (IsFoldedCast(id)) {
    names_[static_cast<std::size_t>(source.outputs[0])] =
        names_[static_cast<std::size_t>(source.inputs[0])];
    return absl::OkStatus();
  }
  onnx::NodeProto node = *source.proto;
  ONNXQUANT_RETURN_IF_ERROR(EmbedTensors(model_, *source.proto, node));
  for (int i = 0; i < node.input_size(); ++i) {
    if (source.inputs[static_cast<std::size_t>(i)] != kNone) node.set_input(i, InputName({id, i}));
  }
  for (int i = 0; i < node.output_size(); ++i) {
    const ValueId value = source.outputs[static_cast<std::size_t>(i)];
    if (value != kNone) node.set_output(i, names_[static_cast<std::size_t>(value)]);
  }
  if (const WeightCopy* copy = CopyReadBy({id, 1});
      copy != nullptr && copy->format.kind == WeightFormat::Kind::kInt4) {
    EmitMatMulNBits(id, *copy, node);
  }
  ONNXQUANT_RETURN_IF_ERROR(SetOutputType(id, node));
  RenameCaptured(id, node);
  *out_->add_node() = std::move(node);
  return absl::OkStatus();
}

// Cast's `to`, RandomNormal's `dtype` …, and the value that ConstantOfShape repeats.
absl::Status GraphRewriter::SetOutputType(NodeId id, onnx::NodeProto& node) {
  const NodeTraits& traits = Traits(id);
  const ElementType compute = PlanOf(id).compute;
  if (!PlanOf(id).changes || compute == ElementType::kFloat) return absl::OkStatus();
  if (traits.type_attribute != nullptr) {
    SetInt(node, traits.type_attribute, static_cast<int>(compute));
  }
  if (IsOnnxDomain(node.domain()) && node.op_type() == "ConstantOfShape") {
    const onnx::AttributeProto* value = FindAttribute(*graph_.node(id).proto, "value");
    onnx::TensorProto zero;
    zero.set_data_type(onnx::TensorProto::FLOAT);
    zero.add_dims(1);
    zero.add_float_data(0.0F);
    ONNXQUANT_ASSIGN_OR_RETURN(
        onnx::TensorProto converted,
        ConvertSmallTensor(model_, value == nullptr ? zero : value->t(), compute, Overflow::kError,
                           graph_.Describe(id), nullptr));
    node.clear_attribute();
    onnx::AttributeProto* attribute = node.add_attribute();
    attribute->set_name("value");
    attribute->set_type(onnx::AttributeProto::TENSOR);
    *attribute->mutable_t() = std::move(converted);
  }
  return absl::OkStatus();
}

// Attributes and names follow ONNX Runtime's MatMulNBitsQuantizer.
void GraphRewriter::EmitMatMulNBits(NodeId id, const WeightCopy& copy, onnx::NodeProto& node) {
  const std::vector<std::int64_t> dims =
      *ConstantShape(graph_, analysis_.weight_uses[copy.uses.front()].weight);
  const std::string a = node.input(0);
  node.set_op_type("MatMulNBits");
  node.set_domain("com.microsoft");
  if (!node.name().empty()) node.set_name(UniqueNode(node.name() + "_Q4"));
  node.clear_input();
  node.add_input(a);
  for (const std::string& name : copy.names) node.add_input(name);
  node.clear_attribute();
  SetInt(node, "K", copy.transposed ? dims[1] : dims[0]);
  SetInt(node, "N", copy.transposed ? dims[0] : dims[1]);
  SetInt(node, "bits", 4);
  SetInt(node, "block_size", copy.format.block);
  if (const int level = PlanOf(id).accuracy_level; level > 0) SetInt(node, "accuracy_level", level);
  RequireContribOpset(result_.model);
}

// What bodies read of the main graph stays float32 for them.
void GraphRewriter::RenameCaptured(NodeId owner, onnx::NodeProto& node) {
  const auto captured = captured_.find(owner);
  if (captured == captured_.end()) return;
  absl::flat_hash_map<std::string, std::string> renames;
  for (const Use& use : captured->second) {
    const ValueId value = graph_.node(use.node).inputs[static_cast<std::size_t>(use.input)];
    renames[graph_.value(value).name] = InputName(use);
  }
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g()) RenameReads(*attribute.mutable_g(), renames);
    for (onnx::GraphProto& body : *attribute.mutable_graphs()) RenameReads(body, renames);
  }
}

void GraphRewriter::DeclareTypes() {
  absl::flat_hash_set<std::string> made;
  for (const onnx::NodeProto& node : out_->node()) {
    made.insert(node.output().begin(), node.output().end());
  }
  for (const IoPlan& io : plan_.io) {
    const std::string& name = graph_.value(io.value).name;
    for (auto* infos : {out_->mutable_input(), out_->mutable_output()}) {
      for (onnx::ValueInfoProto& info : *infos) {
        if (info.name() == name) SetElementType(info, io.type);
      }
    }
  }
  for (const onnx::ValueInfoProto& info : model_.proto().graph().value_info()) {
    const ValueId id = graph_.Find(kMainScope, info.name());
    if (id == kNone || !made.contains(info.name())) continue;
    if (graph_.value(id).producer == kNone || names_[static_cast<std::size_t>(id)] != info.name()) {
      continue;
    }
    onnx::ValueInfoProto* declared = out_->add_value_info();
    *declared = info;
    if (OriginalType(id) == ElementType::kFloat) SetElementType(*declared, TypeOf(id));
  }
  for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
    if (OriginalType(id) != ElementType::kFloat || graph_.value(id).scope != kMainScope) continue;
    if (weights_.contains(id) || graph_.value(id).initializer != nullptr) continue;
    (TypeOf(id) == ElementType::kFloat ? result_.float32_values : result_.half_values) += 1;
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
  set("onnxquant.policy", plan_.policy);
  set("onnxquant.dtype", plan_.dtype);
}

std::string GraphRewriter::UniqueValue(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 2; !value_names_.insert(name).second; ++i) name = absl::StrCat(wanted, "_", i);
  return name;
}

std::string GraphRewriter::UniqueNode(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 2; !node_names_.insert(name).second; ++i) name = absl::StrCat(wanted, "_", i);
  return name;
}

absl::StatusOr<Rewritten> Rewrite(const Model& model, const Analysis& analysis,
                                  const OutputPlan& plan) {
  return GraphRewriter(model, analysis, plan).Run();
}

}  // namespace onnxquant
