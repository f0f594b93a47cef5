#include "absl/strings/str_cat.h"
#include "lib/rewrite/graph_rewriter.h"

namespace onnxquant {

// The name under which a slot reads its value in the type it needs.
std::string GraphRewriter::InputName(const Use& use) {
  const ValueId value = input_.ValueAt(use);
  const ElementType needed = NeededType(input_.analysis, input_.plan, use);
  const auto [copy, directly] = constants_.ReadBy(use);
  if (constants_.Contains(value) || directly) {
    // Without a float copy the reader is a Transpose whose own readers all read codes: dead.
    if (copy == nullptr || !copy->format.IsFloat()) {
      return graph_.value(value).name;
    }
    if (needed == ElementType::kUndefined || copy->format.type == needed) return copy->names[0];
    return CastOfConstant(copy->names[0], needed);
  }
  if (needed == ElementType::kUndefined || !input_.IsFloatValue(value) ||
      input_.TypeOf(value) == needed) {
    return names_.of[value];
  }
  return CastOf(value, needed);
}

// One Cast per value and type, placed before its first reader in that reader's graph, unless one
// stands in a graph around it. A value that was widened from the wanted type is read from before
// the widening, which loses nothing. (kHere: what a body gives must be made in it.)
std::string GraphRewriter::CastOf(ValueId value, ElementType to, Look look) {
  // What stands in place of a Cast that is left out may have been cast already.
  const std::string name_here = names_.of[value];
  value = input_.ReadInPlaceOf(value);
  if (constants_.Contains(value)) return CastOfConstant(name_here, to);
  for (ScopeId scope = scope_; scope != kNone; scope = graph_.scope(scope).parent) {
    if (const auto it = casts_.find({scope, value, to}); it != casts_.end()) return it->second;
    if (look == Look::kHere) break;
  }
  const NodeId producer = graph_.value(value).producer;
  if (look == Look::kAround && producer != kNone && input_.Traits(producer).float_cast &&
      input_.TypeOf(value) == ElementType::kFloat) {
    const ValueId source = graph_.node(producer).inputs[0];
    if (!constants_.Contains(source) && input_.TypeOf(source) == to) {
      return names_.of[source];
    }
  }
  const std::string& from = names_.of[value];
  std::string name =
      EmitCast(from, to, UniqueValue(absl::StrCat(graph_.value(value).name, "_", NameOf(to))));
  casts_[{scope_, value, to}] = name;
  return name;
}

std::string GraphRewriter::CastOfConstant(const std::string& name, ElementType to) {
  for (ScopeId scope = scope_; scope != kNone; scope = graph_.scope(scope).parent) {
    const auto it = constant_casts_.find({scope, name, to});
    if (it != constant_casts_.end()) return it->second;
  }
  std::string cast = EmitCast(name, to, UniqueValue(absl::StrCat(name, "_", NameOf(to))));
  constant_casts_[{scope_, name, to}] = cast;
  return cast;
}

std::string GraphRewriter::EmitCast(const std::string& input, ElementType to,
                                    const std::string& output) {
  RequireOpset("", 13);  // the first whose Cast knows every type that is written here
  onnx::NodeProto* node = out_->add_node();
  node->set_op_type("Cast");
  node->set_name(UniqueNode(absl::StrCat(output, "/Cast")));
  node->add_input(input);
  node->add_output(output);
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name("to");
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(static_cast<int>(to));
  ++result_.casts;
  return output;
}

}  // namespace onnxquant
