// What becomes of single operators: attributes that name a type, and weights in other formats.
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/formats/formats.h"
#include "lib/rewrite/constants.h"
#include "lib/rewrite/graph_rewriter.h"
#include "lib/schema/schema_lookup.h"

namespace onnxquant {
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

// A node that reads a constant which is stored in codes becomes the nodes that read them.
void GraphRewriter::ReadCodes(NodeId id, onnx::NodeProto& node) {
  for (int i = 0; i < node.input_size(); ++i) {
    const WeightCopy* copy = CopyReadBy({id, i}).copy;
    if (copy == nullptr || copy->format.IsFloat()) continue;
    const Format& form = FormRead(copy->stored, graph_.OpName(id));
    form.read(copy->stored, copy->names, i, node, *this);
    return;
  }
}

onnx::NodeProto& GraphRewriter::AddNode() {
  return *out_->add_node();
}

std::string GraphRewriter::Once(const std::string& key, const std::function<std::string()>& make) {
  for (ScopeId scope = scope_; scope != kNone; scope = graph_.scope(scope).parent) {
    if (const auto it = made_once_.find({scope, key}); it != made_once_.end()) return it->second;
  }
  return made_once_[{scope_, key}] = make();
}

}  // namespace onnxquant
