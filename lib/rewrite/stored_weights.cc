#include "lib/rewrite/stored_weights.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/formats/node_proto.h"
#include "lib/rewrite/constants.h"
#include "lib/rewrite/embed_tensors.h"

namespace onnxquant {
namespace {

bool IsInteger(ElementType type) {
  return type == ElementType::kInt64 || type == ElementType::kInt32;
}

// The value of a Constant node that has no tensor.
onnx::TensorProto SpelledTensor(const onnx::NodeProto& constant) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  if (const onnx::AttributeProto* value = FindAttribute(constant, "value_float")) {
    tensor.add_float_data(value->f());
  } else if (const onnx::AttributeProto* values = FindAttribute(constant, "value_floats")) {
    tensor.add_dims(values->floats_size());
    *tensor.mutable_float_data() = values->floats();
  }
  return tensor;
}

}  // namespace

void AddCopy(const onnx::TensorProto& source, const WeightCopy& copy, GraphWriter& writer) {
  if (copy.made) return;
  FillJob job;
  job.source = &source;
  job.overflow = copy.overflow;
  job.limit = copy.limit;
  job.exponent = copy.exponent;
  if (copy.format.IsFloat()) {
    job.type = copy.format.type;
    std::vector<std::int64_t> dims(source.dims().begin(), source.dims().end());
    if (copy.rows > 0) {
      dims[0] = copy.rows;
      job.first_bytes = copy.bytes;
    }
    job.targets = {writer.AddInitializer(copy.names[0], copy.format.type, dims)};
  } else {
    job.stored = copy.stored;
    job.choice = copy.choice;
    job.tie = copy.tie;
    for (std::size_t i = 0; const StoredTensor& tensor : copy.stored.form->tensors(copy.stored)) {
      job.targets.push_back(writer.AddInitializer(copy.names[i++], tensor.type, tensor.dims));
    }
  }
  writer.AddJob(std::move(job));
}

void StoreInitializers(const EmitInput& input, GraphWriter& writer) {
  for (const onnx::TensorProto& tensor : input.model.proto().graph().initializer()) {
    const ValueId id = input.graph().Find(kMainScope, tensor.name());
    const Value& value = input.graph().value(id);
    if (value.uses.empty() && !value.graph_input && !value.graph_output) {
      writer.warnings().push_back(
          absl::StrCat("initializer '", tensor.name(), "' is read by nothing and was left out"));
      continue;
    }
    if (const WeightPlan* weight = input.constants.plans[id]; weight != nullptr) {
      for (const WeightCopy& copy : weight->copies) AddCopy(tensor, copy, writer);
      continue;
    }
    const auto type = static_cast<ElementType>(tensor.data_type());
    if (type == ElementType::kString) {
      writer.AddStrings(tensor);
      continue;
    }
    FillJob job;
    job.source = &tensor;
    job.type = type;
    // Shapes, axes, indices: onnxruntime-web cannot read them from external data.
    const bool keep_inline = IsInteger(type) && tensor.dims_size() <= 1;
    job.targets = {writer.AddInitializer(input.names.Of(id), type, tensor.dims(), keep_inline)};
    writer.AddJob(std::move(job));
  }
}

absl::StatusOr<onnx::TensorProto> SmallCopy(const Model& model, const onnx::TensorProto& source,
                                            const WeightCopy& copy, const std::string& what,
                                            std::vector<std::string>& warnings) {
  onnx::TensorProto tensor;
  if (copy.exponent == 0 && copy.limit == 0 &&
      static_cast<int>(copy.format.type) == source.data_type()) {
    tensor = source;
    ONNXQUANT_RETURN_IF_ERROR(EmbedTensor(model, source, tensor));
  } else {
    ONNXQUANT_ASSIGN_OR_RETURN(
        tensor, ConvertSmallTensor(model, source, copy.format.type, {copy.overflow, copy.limit},
                                   what, &warnings, copy.exponent));
  }
  tensor.set_name(copy.names[0]);
  return tensor;
}

absl::Status EmitConstants(const EmitInput& input, NodeId id, GraphWriter& writer) {
  const Node& source = input.graph().node(id);
  const WeightPlan& weight = *input.constants.plans[source.outputs[0]];
  const onnx::TensorProto* stored = ConstantTensor(input.graph(), weight.weight);
  for (const WeightCopy& copy : weight.copies) {
    if (copy.in_main) {
      AddCopy(*stored, copy, writer);
      continue;
    }
    onnx::NodeProto node = *source.proto;
    node.set_output(0, copy.names[0]);
    if (copy.names[0] != source.proto->output(0)) node.set_name(writer.UniqueNode(copy.names[0]));
    const bool as_it_is = copy.format.type == input.OriginalType(weight.weight) &&
                          copy.exponent == 0 && copy.limit == 0;
    if (as_it_is) {
      ONNXQUANT_RETURN_IF_ERROR(EmbedTensors(input.model, *source.proto, node));
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(
          onnx::TensorProto tensor,
          SmallCopy(input.model, stored != nullptr ? *stored : SpelledTensor(*source.proto), copy,
                    input.graph().Describe(id), writer.warnings()));
      node.clear_attribute();
      SetTensor(node, "value", std::move(tensor));
    }
    writer.AddNode(std::move(node));
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
