// What becomes of single operators: attributes that name a type, and weights in other formats.
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/rewrite/constants.h"
#include "lib/rewrite/graph_rewriter.h"
#include "lib/schema/schema_lookup.h"

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

}  // namespace

// Cast's `to`, RandomNormal's `dtype` …, and the value that ConstantOfShape repeats.
absl::Status GraphRewriter::SetOutputType(NodeId id, onnx::NodeProto& node) {
  const NodeTraits& traits = Traits(id);
  const ElementType compute = PlanOf(id).compute;
  if (!PlanOf(id).changes || node.output_size() == 0) return absl::OkStatus();
  const ValueId output = graph_.node(id).outputs[0];
  const bool stays = PlanOf(id).mixed || output == kNone || OriginalType(output) == compute;
  if (stays) return absl::OkStatus();
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
        ConvertSmallTensor(model_, value == nullptr ? zero : value->t(), compute,
                           PlanOf(id).overflow, graph_.Describe(id), &result_.warnings));
    node.clear_attribute();
    onnx::AttributeProto* attribute = node.add_attribute();
    attribute->set_name("value");
    attribute->set_type(onnx::AttributeProto::TENSOR);
    *attribute->mutable_t() = std::move(converted);
  }
  return absl::OkStatus();
}

// Of nodes whose weights are 4-bit blocks already.
void GraphRewriter::SetAccuracyLevel(NodeId id, onnx::NodeProto& node) const {
  const int level = PlanOf(id).accuracy_level;
  if (level > 0 && node.domain() == "com.microsoft" && node.op_type() == "MatMulNBits") {
    SetInt(node, "accuracy_level", level);
  }
}

// A CastLike to a float type becomes a Cast to its type: what it likens itself to may have got
// another. (ONNX Runtime also refuses some graphs with a CastLike in float16.)
void GraphRewriter::SpellCastLike(NodeId id, onnx::NodeProto& node) const {
  if (!IsOnnxDomain(node.domain()) || node.op_type() != "CastLike" || !PlanOf(id).changes) return;
  node.set_op_type("Cast");
  node.mutable_input()->DeleteSubrange(1, node.input_size() - 1);
  node.clear_attribute();
  SetInt(node, "to", static_cast<int>(PlanOf(id).compute));
}

// Imports the domain if the model does not yet.
void GraphRewriter::RequireOpset(const char* domain, int version) {
  if (OpsetOf(result_.model, domain) > 0) return;
  onnx::OperatorSetIdProto* import = result_.model.add_opset_import();
  import->set_domain(domain);
  import->set_version(version);
}

// Attributes and names follow ONNX Runtime's MatMulNBitsQuantizer.
void GraphRewriter::EmitMatMulNBits(const WeightCopy& copy, onnx::NodeProto& node) {
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
  RequireOpset("com.microsoft", 1);
}

}  // namespace onnxquant
