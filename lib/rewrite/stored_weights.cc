#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/rewrite/constants.h"
#include "lib/rewrite/embed_tensors.h"
#include "lib/rewrite/graph_rewriter.h"

namespace onnxquant {
namespace {

std::uint64_t CeilDiv(std::uint64_t a, std::uint64_t b) {
  return (a + b - 1) / b;
}

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

int GraphRewriter::AddInitializer(const std::string& name, ElementType type,
                                  const std::vector<std::int64_t>& dims) {
  onnx::TensorProto* tensor = main_->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(static_cast<int>(type));
  std::uint64_t elements = 1;
  for (const std::int64_t dim : dims) {
    tensor->add_dims(dim);
    elements *= static_cast<std::uint64_t>(dim);
  }
  result_.bytes.push_back(CeilDiv(elements * static_cast<std::uint64_t>(BitsOf(type)), 8));
  result_.keep_inline.push_back(false);
  return main_->initializer_size() - 1;
}

// The initializers of one stored copy, and the job that fills them.
void GraphRewriter::AddCopy(const onnx::TensorProto& source, const WeightCopy& copy) {
  FillJob job;
  job.source = &source;
  job.overflow = copy.overflow;
  job.exponent = copy.exponent;
  const std::vector<std::int64_t> dims(source.dims().begin(), source.dims().end());
  if (copy.format.IsFloat()) {
    job.type = copy.format.type;
    job.targets = {AddInitializer(copy.names[0], copy.format.type, dims)};
  } else {
    job.stored = copy.stored;
    std::size_t i = 0;
    for (const StoredTensor& tensor : copy.stored.form->tensors(copy.stored)) {
      job.targets.push_back(AddInitializer(copy.names[i++], tensor.type, tensor.dims));
    }
  }
  result_.jobs.push_back(std::move(job));
}

void GraphRewriter::StoreInitializers() {
  for (const onnx::TensorProto& tensor : input_.model.proto().graph().initializer()) {
    const ValueId id = graph_.Find(kMainScope, tensor.name());
    const Value& value = graph_.value(id);
    if (value.uses.empty() && !value.graph_input && !value.graph_output) {
      result_.warnings.push_back(
          absl::StrCat("initializer '", tensor.name(), "' is read by nothing and was left out"));
      continue;
    }
    if (const WeightPlan* weight = constants_.plans[id]; weight != nullptr) {
      for (const WeightCopy& copy : weight->copies) AddCopy(tensor, copy);
      continue;
    }
    const auto type = static_cast<ElementType>(tensor.data_type());
    if (type == ElementType::kString) {
      *main_->add_initializer() = tensor;
      result_.bytes.push_back(0);
      result_.keep_inline.push_back(true);
      continue;
    }
    FillJob job;
    job.source = &tensor;
    job.type = type;
    job.targets = {
        AddInitializer(names_.of[id], type, {tensor.dims().begin(), tensor.dims().end()})};
    // Shapes, axes, indices: onnxruntime-web cannot read them from external data.
    if (IsInteger(type) && tensor.dims_size() <= 1) result_.keep_inline.back() = true;
    result_.jobs.push_back(std::move(job));
  }
}

// The tensor of a copy that is stored where the constant stands.
absl::StatusOr<onnx::TensorProto> GraphRewriter::SmallCopy(const onnx::TensorProto& source,
                                                           const WeightCopy& copy,
                                                           const std::string& what) {
  onnx::TensorProto tensor;
  if (copy.exponent == 0 && static_cast<int>(copy.format.type) == source.data_type()) {
    tensor = source;
    ONNXQUANT_RETURN_IF_ERROR(EmbedTensor(input_.model, source, tensor));
  } else {
    ONNXQUANT_ASSIGN_OR_RETURN(
        tensor, ConvertSmallTensor(input_.model, source, copy.format.type, copy.overflow, what,
                                   &result_.warnings, copy.exponent));
  }
  tensor.set_name(copy.names[0]);
  return tensor;
}

// A Constant node's value in each type that its readers need; a large one as initializer.
absl::Status GraphRewriter::EmitConstants(NodeId id) {
  const Node& source = graph_.node(id);
  const WeightPlan& weight = *constants_.plans[source.outputs[0]];
  const onnx::TensorProto* stored = ConstantTensor(graph_, weight.weight);
  for (const WeightCopy& copy : weight.copies) {
    if (copy.in_main) {
      AddCopy(*stored, copy);
      continue;
    }
    onnx::NodeProto node = *source.proto;
    node.set_output(0, copy.names[0]);
    if (copy.names[0] != source.proto->output(0)) node.set_name(UniqueNode(copy.names[0]));
    const bool as_it_is =
        copy.format.type == input_.OriginalType(weight.weight) && copy.exponent == 0;
    if (as_it_is) {
      ONNXQUANT_RETURN_IF_ERROR(EmbedTensors(input_.model, *source.proto, node));
    } else {
      ONNXQUANT_ASSIGN_OR_RETURN(
          onnx::TensorProto tensor,
          SmallCopy(stored != nullptr ? *stored : SpelledTensor(*source.proto), copy,
                    graph_.Describe(id)));
      node.clear_attribute();
      onnx::AttributeProto* attribute = node.add_attribute();
      attribute->set_name("value");
      attribute->set_type(onnx::AttributeProto::TENSOR);
      *attribute->mutable_t() = std::move(tensor);
    }
    *out_->add_node() = std::move(node);
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
