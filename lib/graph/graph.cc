#include "lib/graph/graph.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace onnxquant {

const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, const std::string& name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

std::int64_t IntAttribute(const onnx::NodeProto& node, const std::string& name,
                          std::int64_t fallback) {
  const onnx::AttributeProto* attribute = FindAttribute(node, name);
  return attribute == nullptr ? fallback : attribute->i();
}

ValueId Graph::Find(ScopeId scope, absl::string_view name) const {
  for (; scope != kNone; scope = scopes_[scope].parent) {
    const Names& names = names_[scope];
    if (const auto it = names.find(name); it != names.end()) return *it;
  }
  return kNone;
}

NodeId Graph::ProducerOf(NodeId id, int input) const {
  const ValueIds inputs = node(id).inputs;
  if (input < 0 || input >= static_cast<int>(inputs.size())) return kNone;
  const ValueId v = inputs[static_cast<std::size_t>(input)];
  return v == kNone ? kNone : value(v).producer;
}

std::string Graph::Describe(NodeId id) const {
  const onnx::NodeProto& proto = *node(id).proto;
  if (!proto.name().empty()) return absl::StrCat("node '", proto.name(), "' (", OpName(id), ")");
  return absl::StrCat("the unnamed ", OpName(id), " node that makes '",
                      proto.output_size() > 0 ? proto.output(0) : "nothing", "'");
}

}  // namespace onnxquant
