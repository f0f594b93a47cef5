// What scaling or clipping the residual stream puts into the graph.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "lib/kernels/half.h"
#include "lib/rewrite/constants.h"
#include "lib/rewrite/graph_rewriter.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {

// An attribute is float32 whatever the node computes in, so a power of two is exact.
void GraphRewriter::ScaleEpsilon(NodeId id, onnx::NodeProto& node) const {
  const auto wanted = plan_.stream.epsilon_exponents.find(id);
  if (wanted == plan_.stream.epsilon_exponents.end()) return;
  onnx::AttributeProto* epsilon = nullptr;
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.name() == "epsilon") epsilon = &attribute;
  }
  const float before = epsilon == nullptr ? DefaultEpsilon(graph_, id) : epsilon->f();
  if (epsilon == nullptr) epsilon = node.add_attribute();
  epsilon->set_name("epsilon");
  epsilon->set_type(onnx::AttributeProto::FLOAT);
  epsilon->set_f(std::ldexp(before, wanted->second));
}

// `name`, or what a Mul makes of it where the plan wants the slot's value scaled. One Mul serves
// all readers in a graph.
std::string GraphRewriter::ScaledInputName(const Use& use, const std::string& name) {
  const auto wanted = plan_.stream.input_exponents.find({use.node, use.input});
  if (wanted == plan_.stream.input_exponents.end()) return name;
  std::string& scaled = scaled_[{scope_, name, wanted->second}];
  if (!scaled.empty()) return scaled;
  const ValueId value = graph_.node(use.node).inputs[static_cast<std::size_t>(use.input)];
  const ElementType needed = NeededType(analysis_, plan_, use);
  const ElementType type = needed == ElementType::kUndefined ? TypeOf(value) : needed;
  const std::string wanted_name = absl::StrCat(graph_.value(value).name, "_scaled");
  scaled = UniqueValue(wanted_name);
  const std::string factor =
      ScalarConstant(std::ldexp(1.0, wanted->second), type, absl::StrCat(wanted_name, "/factor"));
  onnx::NodeProto* mul = out_->add_node();
  mul->set_op_type("Mul");
  mul->set_name(UniqueNode(absl::StrCat(wanted_name, "/Mul")));
  mul->add_input(name);
  mul->add_input(factor);
  mul->add_output(scaled);
  return scaled;
}

// A Constant node; powers of two and limits within the type's range only.
std::string GraphRewriter::ScalarConstant(double number, ElementType type,
                                          const std::string& wanted) {
  const auto value = static_cast<float>(number);
  onnx::NodeProto* node = out_->add_node();
  node->set_op_type("Constant");
  node->set_name(UniqueNode(wanted));
  node->add_output(UniqueValue(wanted));
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name("value");
  attribute->set_type(onnx::AttributeProto::TENSOR);
  onnx::TensorProto* tensor = attribute->mutable_t();
  tensor->set_data_type(static_cast<int>(type));
  if (type == ElementType::kFloat) {
    tensor->set_raw_data(&value, sizeof(value));
  } else if (type == ElementType::kDouble) {
    tensor->set_raw_data(&number, sizeof(number));
  } else {
    std::uint16_t half = 0;
    Narrow({&value, 1}, type, Overflow::kClamp, {&half, 1});
    tensor->set_raw_data(&half, sizeof(half));
  }
  return node->output(0);
}

// The node, and a Clip of its first output to the plan's limit.
void GraphRewriter::EmitWithClip(NodeId id, onnx::NodeProto node) {
  constexpr int kLimitsAreInputs = 11;
  const double limit = plan_.stream.clips.at(id);
  const ElementType type = TypeOf(graph_.node(id).outputs[0]);
  const std::string clipped = node.output(0);
  const std::string sum = UniqueValue(absl::StrCat(clipped, "_unclipped"));
  node.set_output(0, sum);
  *out_->add_node() = std::move(node);
  onnx::NodeProto clip;
  clip.set_op_type("Clip");
  clip.set_name(UniqueNode(absl::StrCat(clipped, "/Clip")));
  clip.add_input(sum);
  clip.add_output(clipped);
  for (const bool lower : {true, false}) {
    const char* name = lower ? "min" : "max";
    const double bound = lower ? -limit : limit;
    if (OpsetOf(model_.proto(), "") >= kLimitsAreInputs) {
      clip.add_input(ScalarConstant(bound, type, absl::StrCat(clipped, "/", name)));
      continue;
    }
    onnx::AttributeProto* attribute = clip.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(static_cast<float>(bound));
  }
  *out_->add_node() = std::move(clip);
}

}  // namespace onnxquant
