#include "lib/rewrite/residual.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "lib/formats/node_proto.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
// An attribute is float32 whatever the node computes in, so a power of two is exact.
void ScaleEpsilon(const RewriteInput& input, NodeId id, onnx::NodeProto& node) {
  const auto wanted = input.plan.stream.epsilon_exponents.find(id);
  if (wanted == input.plan.stream.epsilon_exponents.end()) return;
  const onnx::AttributeProto* epsilon = FindAttribute(node, "epsilon");
  const float before = epsilon == nullptr ? DefaultEpsilon(input.graph(), id) : epsilon->f();
  SetFloat(node, "epsilon", std::ldexp(before, wanted->second));
}

// One Mul serves all readers in a graph.
std::string ScaledInputName(const RewriteInput& input, const Use& slot, const std::string& name,
                            GraphWriter& writer) {
  const auto wanted = input.plan.stream.input_exponents.find({slot.node, slot.input});
  if (wanted == input.plan.stream.input_exponents.end()) return name;
  const std::string key = absl::StrCat("Mul by 2^", wanted->second, " of ", name);
  const auto make = [&] {
    const ValueId value = input.ValueAt(slot);
    const ElementType needed = NeededType(input.analysis, input.plan, slot);
    const ElementType type = needed == ElementType::kUndefined ? input.TypeOf(value) : needed;
    const std::string wanted_name = absl::StrCat(input.graph().value(value).name, "_scaled");
    std::string scaled = writer.UniqueValue(wanted_name);
    const std::string factor = AddConstant(writer, absl::StrCat(wanted_name, "/factor"),
                                           ScalarTensor(std::ldexp(1.0, wanted->second), type));
    writer.AddNode(MakeNode("Mul", writer.UniqueNode(absl::StrCat(wanted_name, "/Mul")),
                            {name, factor}, {scaled}));
    return scaled;
  };
  return writer.Once(key, make, Look::kHere);
}

void EmitWithClip(const RewriteInput& input, NodeId id, onnx::NodeProto node, GraphWriter& writer) {
  constexpr int kLimitsAreInputs = 11;
  const double limit = input.plan.stream.clips.at(id);
  const ElementType type = input.TypeOf(input.graph().node(id).outputs[0]);
  const std::string clipped = node.output(0);
  const std::string sum = writer.UniqueValue(absl::StrCat(clipped, "_unclipped"));
  node.set_output(0, sum);
  writer.AddNode(std::move(node));
  onnx::NodeProto clip =
      MakeNode("Clip", writer.UniqueNode(absl::StrCat(clipped, "/Clip")), {sum}, {clipped});
  for (const bool lower : {true, false}) {
    const char* name = lower ? "min" : "max";
    const double bound = lower ? -limit : limit;
    if (OpsetOf(input.model.proto(), "") >= kLimitsAreInputs) {
      clip.add_input(
          AddConstant(writer, absl::StrCat(clipped, "/", name), ScalarTensor(bound, type)));
    } else {
      SetFloat(clip, name, static_cast<float>(bound));
    }
  }
  writer.AddNode(std::move(clip));
}

}  // namespace onnxquant
