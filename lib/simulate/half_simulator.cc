#include "lib/simulate/half_simulator.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "lib/analysis/op_traits.h"

namespace onnxquant {

HalfSimulator::HalfSimulator(const Graph& graph, const ValueTypes& types)
    : graph_(graph), types_(types), wide_names_(graph.values().size()) {
  for (const Value& value : graph.values()) names_.insert(value.name);
}

onnx::ModelProto HalfSimulator::Run() {
  FindReadWide();
  onnx::ModelProto model = graph_.model();
  EmitScope(kMainScope, *model.mutable_graph());
  return model;
}

// What holds bodies hands float16 on; what reads none computes in another type already. The CPU
// provider has a float16 kernel of its own for MatMulNBits, and a wrong one in float32 for scales
// that are no constants (1.30).
bool HalfSimulator::Widens(NodeId id) const {
  const Node& node = graph_.node(id);
  if (graph_.OpName(id) == "com.microsoft::MatMulNBits") return false;
  const bool known = IsOnnxDomain(node.proto->domain()) || node.proto->domain() == "com.microsoft";
  return known && node.bodies.empty() &&
         std::any_of(node.inputs.begin(), node.inputs.end(),
                     [this](ValueId value) { return IsHalf(value); });
}

void HalfSimulator::FindReadWide() {
  for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes().size()); ++id) {
    if (!Widens(id)) continue;
    for (const ValueId value : graph_.node(id).inputs) {
      if (!IsHalf(value)) continue;
      std::string& name = wide_names_[static_cast<std::size_t>(value)];
      if (name.empty()) name = Unique(graph_.value(value).name + "/float32");
    }
  }
}

// The float32 value that nodes read instead of `value`, right where that is made.
void HalfSimulator::Widen(ValueId value, onnx::GraphProto& out) {
  if (value == kNone) return;
  const std::string& wide = wide_names_[static_cast<std::size_t>(value)];
  if (!wide.empty()) EmitCast(out, graph_.value(value).name, ElementType::kFloat, wide);
}

void HalfSimulator::EmitScope(ScopeId scope, onnx::GraphProto& out) {
  out.clear_node();
  for (ValueId id = 0; id < static_cast<ValueId>(graph_.values().size()); ++id) {
    const Value& value = graph_.value(id);
    if (value.scope == scope && value.producer == kNone) Widen(id, out);
  }
  for (const NodeId id : graph_.order(scope)) EmitNode(id, out);
}

void HalfSimulator::EmitNode(NodeId id, onnx::GraphProto& out) {
  const Node& source = graph_.node(id);
  onnx::NodeProto node = *source.proto;
  ReplaceBodies(id, node);
  if (!Widens(id)) {
    *out.add_node() = std::move(node);
  } else {
    for (int i = 0; i < node.input_size(); ++i) {
      const ValueId value = source.inputs[static_cast<std::size_t>(i)];
      if (IsHalf(value)) node.set_input(i, wide_names_[static_cast<std::size_t>(value)]);
    }
    std::vector<std::pair<std::string, std::string>> rounded;
    for (int i = 0; i < node.output_size(); ++i) {
      if (!IsHalf(source.outputs[static_cast<std::size_t>(i)])) continue;
      rounded.emplace_back(Unique(node.output(i) + "/exact"), node.output(i));
      node.set_output(i, rounded.back().first);
    }
    EmitWide(node, out);
    for (const auto& [exact, value] : rounded) EmitCast(out, exact, ElementType::kFloat16, value);
  }
  for (const ValueId value : source.outputs) Widen(value, out);
}

// Graph::Build numbered the bodies in the order of the attributes.
void HalfSimulator::ReplaceBodies(NodeId owner, onnx::NodeProto& node) {
  std::size_t next = 0;
  const auto replace = [&](onnx::GraphProto& body) {
    EmitScope(graph_.node(owner).bodies[next++], body);
  };
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g()) replace(*attribute.mutable_g());
    for (onnx::GraphProto& body : *attribute.mutable_graphs()) replace(body);
  }
}

std::string HalfSimulator::Unique(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 2; !names_.insert(name).second; ++i) name = absl::StrCat(wanted, "_", i);
  return name;
}

void EmitCast(onnx::GraphProto& out, const std::string& input, ElementType type,
              const std::string& output) {
  onnx::NodeProto* node = out.add_node();
  node->set_op_type("Cast");
  node->add_input(input);
  node->add_output(output);
  onnx::AttributeProto* to = node->add_attribute();
  to->set_name("to");
  to->set_type(onnx::AttributeProto::INT);
  to->set_i(static_cast<int>(type));
}

}  // namespace onnxquant
