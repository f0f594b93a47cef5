#include "lib/gradient/gradient.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/formats/node_proto.h"
#include "lib/gradient/emitter.h"
#include "lib/gradient/expand.h"
#include "lib/gradient/gradient_path.h"
#include "lib/gradient/rules.h"
#include "lib/schema/domain.h"

namespace onnxquant {
namespace {

constexpr std::int64_t kLeastOpset = 13;
constexpr char kContribDomain[] = "com.microsoft";

std::int64_t OpsetOf(const onnx::ModelProto& model) {
  for (const auto& import : model.opset_import()) {
    if (IsOnnxDomain(import.domain())) return import.version();
  }
  return 0;
}

std::string FreeName(const Graph& graph, std::string name) {
  while (graph.Find(kMainScope, name) != kNone) name += "_";
  return name;
}

void AppendTo(onnx::GraphProto& graph, std::vector<onnx::NodeProto> nodes) {
  for (onnx::NodeProto& node : nodes) *graph.add_node() = std::move(node);
}

// The model with the fused nodes between `targets` and logits in other words, all nodes in order.
absl::StatusOr<onnx::ModelProto> Expanded(const Graph& graph, const GradientPath& path,
                                          const std::string& origin, Emitter& emitter) {
  onnx::ModelProto model = graph.model();
  onnx::GraphProto& copy = *model.mutable_graph();
  copy.clear_node();
  const absl::flat_hash_set<NodeId> on_path(path.nodes.begin(), path.nodes.end());
  for (const NodeId id : graph.order(kMainScope)) {
    const onnx::NodeProto& node = *graph.node(id).proto;
    const Expansion* expansion = on_path.contains(id) ? FindExpansion(graph.OpName(id)) : nullptr;
    if (expansion == nullptr) {
      *copy.add_node() = node;
      continue;
    }
    FusedNode fused{emitter, graph, id, node};
    const std::string reason = expansion->write(fused);
    if (!reason.empty()) {
      return ModelError(origin, ": ", graph.Describe(id), " has no gradient: ", reason);
    }
    AppendTo(copy, emitter.Take());
  }
  return model;
}

// Outputs that nothing makes any more: caches of attention in other words.
void DropUnmade(const Graph& graph, onnx::GraphProto& copy) {
  absl::flat_hash_set<std::string> made;
  for (const onnx::NodeProto& node : copy.node()) {
    made.insert(node.output().begin(), node.output().end());
  }
  auto* outputs = copy.mutable_output();
  for (int i = outputs->size() - 1; i >= 0; --i) {
    const ValueId value = graph.Find(kMainScope, outputs->Get(i).name());
    const bool by_node = value != kNone && graph.value(value).producer != kNone;
    if (by_node && !made.contains(outputs->Get(i).name())) outputs->DeleteSubrange(i, 1);
  }
}

class Backward {
 public:
  Backward(const Graph& graph, const ValueTypes& types, const std::string& origin, Emitter& emitter)
      : graph_(graph),
        types_(types),
        origin_(origin),
        emitter_(emitter),
        parts_(graph.values().size()) {}

  void Begin(ValueId logits, const std::string& labels, std::string* losses) {
    const std::string& name = graph_.value(logits).name;
    const std::string zero = emitter_.Int(0);
    const std::string place = emitter_.Unsqueeze(emitter_.Make("Max", {labels, zero}), -1);
    const std::string counts =
        emitter_.Make("Cast", {emitter_.Make("GreaterOrEqual", {labels, zero})},
                      {{"to", std::int64_t{onnx::TensorProto::FLOAT}}});
    const NodeAttribute last{"axis", std::int64_t{-1}};
    const std::string p = emitter_.Make("Softmax", {name}, {last});
    const std::string chosen = emitter_.Make("GatherElements", {p, place}, {last});
    const std::string log =
        emitter_.Make("Squeeze", {emitter_.Make("Log", {chosen}), emitter_.Ints({-1})});
    *losses = emitter_.Make("Neg", {emitter_.Make("Mul", {log, counts})});
    const std::string less = emitter_.Make("Sub", {chosen, emitter_.Float(1)});
    const std::string differences = emitter_.Make("ScatterElements", {p, place, less}, {last});
    parts_[logits] = {emitter_.Make("Mul", {differences, emitter_.Unsqueeze(counts, -1)})};
  }

  absl::Status Run(const GradientPath& path) {
    for (auto id = path.nodes.rbegin(); id != path.nodes.rend(); ++id) {
      ONNXQUANT_RETURN_IF_ERROR(Pass(path, *id));
    }
    return absl::OkStatus();
  }

  // Of a value whose readers have all been passed; "" where nothing hangs on it.
  std::string At(ValueId value) {
    if (value == kNone) return "";
    std::vector<std::string>& parts = parts_[value];
    if (parts.size() > 1) parts = {emitter_.Make("Sum", parts)};
    return parts.empty() ? "" : parts.front();
  }

 private:
  absl::Status Refuse(NodeId id, const std::string& reason) const {
    return ModelError(origin_, ": ", graph_.Describe(id), " has no gradient: ", reason);
  }

  absl::Status Pass(const GradientPath& path, NodeId id) {
    const Node& node = graph_.node(id);
    const GradientRule* rule = FindGradientRule(graph_.OpName(id));
    if (rule == nullptr || !node.bodies.empty()) return Refuse(id, "its operator has no rule");
    NodeGradient gradient(graph_, id, emitter_);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      gradient.wanted[i] = node.inputs[i] != kNone && path.values[node.inputs[i]];
    }
    bool known = false;
    for (const ValueId output : node.outputs) {
      if (output != kNone && path.values[output] && types_[output] != ElementType::kFloat) {
        return Refuse(id, absl::StrCat("it gives ", NameOf(types_[output]),
                                       "; gradients are computed in float32"));
      }
      gradient.all.push_back(At(output));
      known |= !gradient.all.back().empty();
    }
    if (!known) return absl::OkStatus();
    gradient.g = gradient.all.front();
    if (gradient.g.empty() && rule->op != "Split") return absl::OkStatus();
    const std::string reason = rule->write(gradient);
    if (!reason.empty()) return Refuse(id, reason);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (gradient.wanted[i] && !gradient.gradients[i].empty()) {
        parts_[node.inputs[i]].push_back(gradient.gradients[i]);
      }
    }
    return absl::OkStatus();
  }

  const Graph& graph_;
  const ValueTypes& types_;
  const std::string& origin_;
  Emitter& emitter_;
  IdVector<std::vector<std::string>> parts_;  // by value, of each reader
};

void AddRead(const onnx::NodeProto& node, absl::flat_hash_set<std::string>& read) {
  read.insert(node.input().begin(), node.input().end());
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    for (const onnx::NodeProto& inner : attribute.g().node()) AddRead(inner, read);
    for (const auto& output : attribute.g().output()) read.insert(output.name());
  }
}

bool Makes(const onnx::NodeProto& node, const absl::flat_hash_set<std::string>& names) {
  return std::any_of(node.output().begin(), node.output().end(),
                     [&](const std::string& name) { return names.contains(name); });
}

// What the outputs hang on, themselves included. Nodes are in order.
absl::flat_hash_set<std::string> NamesRead(const onnx::GraphProto& graph) {
  absl::flat_hash_set<std::string> read;
  for (const auto& output : graph.output()) read.insert(output.name());
  for (int i = graph.node_size() - 1; i >= 0; --i) {
    if (Makes(graph.node(i), read)) AddRead(graph.node(i), read);
  }
  return read;
}

// Gives the outputs of caches whose inputs are read, and drops what no output hangs on.
void Prune(const GradientTask& task, onnx::GraphProto& graph) {
  absl::flat_hash_set<std::string> read = NamesRead(graph);
  for (const auto& [past, present] : task.caches) {
    if (!read.contains(past)) continue;
    graph.add_output()->set_name(present);
    read = NamesRead(graph);
  }
  std::vector<bool> kept;
  for (const onnx::NodeProto& node : graph.node()) kept.push_back(Makes(node, read));
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (kept[static_cast<std::size_t>(i)]) *nodes.Add() = std::move(*graph.mutable_node(i));
  }
  *graph.mutable_node() = std::move(nodes);
  const auto unread = [&](const auto& thing) { return !read.contains(thing.name()); };
  auto& tensors = *graph.mutable_initializer();
  tensors.erase(std::remove_if(tensors.begin(), tensors.end(), unread), tensors.end());
  auto& inputs = *graph.mutable_input();
  inputs.erase(std::remove_if(inputs.begin(), inputs.end(), unread), inputs.end());
}

void DeclareLabels(const std::string& name, onnx::GraphProto& graph) {
  onnx::ValueInfoProto& input = *graph.add_input();
  input.set_name(name);
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::INT64);
  type.mutable_shape()->add_dim();
  type.mutable_shape()->add_dim();
}

absl::StatusOr<std::vector<ValueId>> Find(const Graph& graph, absl::Span<const std::string> names,
                                          const std::string& origin) {
  std::vector<ValueId> values;
  for (const std::string& name : names) {
    values.push_back(graph.Find(kMainScope, name));
    if (values.back() == kNone) return InternalError(origin, ": has no value '", name, "'");
  }
  return values;
}

absl::Status CheckScopes(const Graph& graph, const GradientPath& path, const std::string& origin) {
  for (std::size_t i = 0; i < path.values.size(); ++i) {
    if (!path.values[i]) continue;
    for (const Use& use : graph.values()[i].uses) {
      if (graph.node(use.node).scope == kMainScope) continue;
      return ModelError(origin, ": ", graph.Describe(use.node),
                        " has no gradient: it stands in the body of another node");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GradientModel> BuildGradient(const Graph& graph, const ValueTypes& types,
                                            const GradientTask& task, const std::string& origin) {
  const std::int64_t opset = OpsetOf(graph.model());
  if (opset < kLeastOpset) {
    return ModelError(origin, ": is of opset ", opset, "; gradients take ", kLeastOpset,
                      " or more: export it anew");
  }
  const ValueId logits = graph.Find(kMainScope, task.logits);
  if (logits == kNone || types[logits] != ElementType::kFloat) {
    return ModelError(origin, ": has no output '", task.logits,
                      "' of float32, from which gradients could begin");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<ValueId> targets, Find(graph, task.targets, origin));
  const GradientPath fused = FindGradientPath(graph, types, targets, logits);
  ONNXQUANT_RETURN_IF_ERROR(CheckScopes(graph, fused, origin));
  Emitter emitter(graph, "gradient", opset);
  ONNXQUANT_ASSIGN_OR_RETURN(onnx::ModelProto model, Expanded(graph, fused, origin, emitter));
  DropUnmade(graph, *model.mutable_graph());

  ONNXQUANT_ASSIGN_OR_RETURN(const Graph plain, Graph::Build(model, origin));
  ONNXQUANT_ASSIGN_OR_RETURN(const ValueTypes plain_types, InferTypes(plain, origin));
  ONNXQUANT_ASSIGN_OR_RETURN(targets, Find(plain, task.targets, origin));
  const ValueId end = plain.Find(kMainScope, task.logits);
  const GradientPath path = FindGradientPath(plain, plain_types, targets, end);
  GradientModel made;
  made.labels = FreeName(graph, "labels");
  Backward backward(plain, plain_types, origin, emitter);
  backward.Begin(end, made.labels, &made.losses);
  ONNXQUANT_RETURN_IF_ERROR(backward.Run(path));
  for (const ValueId target : targets) made.gradients.push_back(backward.At(target));

  std::vector<std::string> inputs;
  for (const std::string& value : task.values) {
    const ValueId id = plain.Find(kMainScope, value);
    if (id == kNone) return InternalError(origin, ": has no value '", value, "'");
    const bool by_node = plain.value(id).producer != kNone;
    made.values.push_back(by_node ? value : emitter.Make("Identity", {value}));
  }
  made.model = model;
  onnx::GraphProto& whole = *made.model.mutable_graph();
  whole.clear_node();
  for (const NodeId id : plain.order(kMainScope)) {
    onnx::NodeProto& node = *whole.add_node();
    node = *plain.node(id).proto;
    const std::string table = plain.OpName(id) == "MatMul" ? TableBehind(plain, id, 1) : "";
    if (table.empty()) continue;
    // A head that shares the embedding's table: its transposed copy would be as large again.
    node.set_op_type("FusedMatMul");
    node.set_domain(kContribDomain);
    node.set_input(1, table);
    SetInt(node, "transB", 1);
  }
  AppendTo(whole, emitter.Take());
  whole.clear_output();
  whole.clear_value_info();
  absl::flat_hash_set<std::string> given;
  const auto give = [&](const std::string& name) {
    if (!name.empty() && given.insert(name).second) whole.add_output()->set_name(name);
  };
  give(made.losses);
  for (const std::string& name : made.gradients) give(name);
  for (const std::string& name : made.values) give(name);
  DeclareLabels(made.labels, whole);
  Prune(task, whole);
  bool imported = false;
  for (const auto& import : made.model.opset_import()) {
    imported |= import.domain() == kContribDomain;
  }
  if (!imported) {
    auto& import = *made.model.add_opset_import();
    import.set_domain(kContribDomain);
    import.set_version(1);
  }
  return made;
}

}  // namespace onnxquant
