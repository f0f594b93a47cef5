#include "lib/rewrite/operators.h"

#include <utility>

#include "lib/base/error.h"
#include "lib/formats/node_proto.h"
#include "lib/rewrite/constants.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {

absl::Status SetOutputType(const RewriteInput& input, NodeId id, onnx::NodeProto& node,
                           std::vector<std::string>& warnings) {
  const NodeTraits& traits = input.Traits(id);
  const NodePlan& plan = input.PlanOf(id);
  if (!plan.changes || node.output_size() == 0) return absl::OkStatus();
  const ValueId output = input.graph().node(id).outputs[0];
  const auto limited = input.plan.fill_limits.find(id);
  const double limit = limited == input.plan.fill_limits.end() ? 0.0 : limited->second;
  const bool stays = plan.mixed || output == kNone || !IsFloat(input.OriginalType(output)) ||
                     (input.OriginalType(output) == plan.compute && limit == 0);
  if (stays) return absl::OkStatus();
  if (traits.type_attribute != nullptr) {
    SetInt(node, traits.type_attribute, static_cast<int>(plan.compute));
  }
  if (IsOnnxDomain(node.domain()) && node.op_type() == "ConstantOfShape") {
    const onnx::AttributeProto* value = FindAttribute(*input.graph().node(id).proto, "value");
    onnx::TensorProto zero;
    zero.set_data_type(onnx::TensorProto::FLOAT);
    zero.add_dims(1);
    zero.add_float_data(0.0F);
    ONNXQUANT_ASSIGN_OR_RETURN(
        onnx::TensorProto converted,
        ConvertSmallTensor(input.model, value == nullptr ? zero : value->t(), plan.compute,
                           {plan.overflow, limit}, input.graph().Describe(id), &warnings));
    node.clear_attribute();
    SetTensor(node, "value", std::move(converted));
  }
  return absl::OkStatus();
}

void SetAccuracyLevel(const RewriteInput& input, NodeId id, onnx::NodeProto& node) {
  // NOLINTNEXTLINE(bugprone-signed-char-misuse): a number
  const int level = input.PlanOf(id).accuracy_level;
  if (level > 0 && node.domain() == "com.microsoft" && node.op_type() == "MatMulNBits") {
    SetInt(node, "accuracy_level", level);
  }
}

void SpellCastLike(const RewriteInput& input, NodeId id, onnx::NodeProto& node) {
  const NodePlan& plan = input.PlanOf(id);
  if (!IsOnnxDomain(node.domain()) || node.op_type() != "CastLike" || !plan.changes) return;
  node.set_op_type("Cast");
  node.mutable_input()->DeleteSubrange(1, node.input_size() - 1);
  node.clear_attribute();
  SetInt(node, "to", static_cast<int>(plan.compute));
}

void ReadCodes(const StoredConstants& constants, NodeId id, onnx::NodeProto& node, NodeSink& sink) {
  // Those that leave the node as it is first: what one makes of it has other inputs.
  for (const bool in_place : {true, false}) {
    for (int i = 0; i < node.input_size(); ++i) {
      const Reading reading = constants.ReadBy({id, i});
      if (reading.form == nullptr || reading.form->in_place != in_place) continue;
      reading.form->read(*reading.stored, *reading.names, i, node, sink);
      if (!in_place) return;
    }
  }
}

}  // namespace onnxquant
