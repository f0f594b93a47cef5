#include "lib/model/tensor_check.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/model/element_type.h"

namespace onnxquant {
namespace {

using Visit = std::function<absl::Status(const onnx::TensorProto&, const std::string&)>;

class TensorVisitor {
 public:
  explicit TensorVisitor(const Visit& visit) : visit_(visit) {}

  absl::Status Graph(const onnx::GraphProto& graph) {
    for (const auto& tensor : graph.initializer()) {
      ONNXQUANT_RETURN_IF_ERROR(visit_(tensor, absl::StrCat("initializer '", tensor.name(), "'")));
    }
    for (const auto& tensor : graph.sparse_initializer()) {
      ONNXQUANT_RETURN_IF_ERROR(Sparse(tensor, "sparse initializer"));
    }
    return Nodes(graph.node());
  }

  template <typename NodeList>
  absl::Status Nodes(const NodeList& nodes) {
    for (const onnx::NodeProto& node : nodes) {
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        ONNXQUANT_RETURN_IF_ERROR(Attribute(node, attribute));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Sparse(const onnx::SparseTensorProto& tensor, const std::string& what) {
    ONNXQUANT_RETURN_IF_ERROR(
        visit_(tensor.values(), absl::StrCat(what, " '", tensor.values().name(), "'")));
    return visit_(tensor.indices(),
                  absl::StrCat("indices of ", what, " '", tensor.values().name(), "'"));
  }

  absl::Status Attribute(const onnx::NodeProto& node, const onnx::AttributeProto& attribute) {
    const auto place = [&] {
      return absl::StrCat("attribute '", attribute.name(), "' of ", node.op_type(), " node '",
                          node.name(), "'");
    };
    if (attribute.has_t()) ONNXQUANT_RETURN_IF_ERROR(visit_(attribute.t(), place()));
    for (const auto& tensor : attribute.tensors()) {
      ONNXQUANT_RETURN_IF_ERROR(visit_(tensor, place()));
    }
    if (attribute.has_sparse_tensor()) {
      ONNXQUANT_RETURN_IF_ERROR(Sparse(attribute.sparse_tensor(), place()));
    }
    if (attribute.has_g()) ONNXQUANT_RETURN_IF_ERROR(Graph(attribute.g()));
    for (const auto& body : attribute.graphs()) ONNXQUANT_RETURN_IF_ERROR(Graph(body));
    return absl::OkStatus();
  }

  const Visit& visit_;
};

// How many elements of the field stand for one tensor element, and the field's size.
struct TypedPayload {
  int fields = 0;  // typed fields that hold data, raw_data included
  std::uint64_t bytes = 0;
};

TypedPayload InlinePayload(const onnx::TensorProto& tensor) {
  const auto type = static_cast<ElementType>(tensor.data_type());
  const auto width = static_cast<std::uint64_t>(std::max(8, BitsOf(type)) / 8);
  TypedPayload payload;
  const auto count = [&payload](std::uint64_t entries, std::uint64_t bytes_each) {
    if (entries == 0) return;
    ++payload.fields;
    payload.bytes = entries * bytes_each;
  };
  count(tensor.raw_data().size(), 1);
  count(static_cast<std::uint64_t>(tensor.float_data_size()), sizeof(float));
  count(static_cast<std::uint64_t>(tensor.int32_data_size()), width);
  count(static_cast<std::uint64_t>(tensor.int64_data_size()), sizeof(std::int64_t));
  count(static_cast<std::uint64_t>(tensor.double_data_size()), sizeof(double));
  count(static_cast<std::uint64_t>(tensor.uint64_data_size()), width);
  return payload;
}

template <typename Narrow, typename List>
void AppendNarrowed(const List& list, std::vector<std::byte>& out) {
  for (const auto value : list) {
    const auto narrow = static_cast<Narrow>(value);
    const auto* bytes = reinterpret_cast<const std::byte*>(&narrow);
    out.insert(out.end(), bytes, bytes + sizeof(Narrow));
  }
}

}  // namespace

absl::Status VisitTensors(const onnx::ModelProto& model, const Visit& visit) {
  TensorVisitor visitor(visit);
  ONNXQUANT_RETURN_IF_ERROR(visitor.Graph(model.graph()));
  for (const onnx::FunctionProto& function : model.functions()) {
    ONNXQUANT_RETURN_IF_ERROR(visitor.Nodes(function.node()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> CheckTensor(const onnx::TensorProto& tensor) {
  ONNXQUANT_ASSIGN_OR_RETURN(const ElementType type, ElementTypeFromOnnx(tensor.data_type()));
  if (type == ElementType::kString) return 0;
  ONNXQUANT_ASSIGN_OR_RETURN(
      const std::uint64_t expected,
      PackedBytes(type, {tensor.dims().data(), static_cast<std::size_t>(tensor.dims_size())}));
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) return expected;
  const TypedPayload found = InlinePayload(tensor);
  if (found.fields > 1) return ModelError("its data stands in more than one field");
  if (found.bytes != expected) {
    return ModelError("its shape and type ask for ", expected, " bytes, but it holds ",
                      found.bytes);
  }
  return expected;
}

std::vector<std::byte> RawFromTypedFields(const onnx::TensorProto& tensor) {
  std::vector<std::byte> raw;
  AppendNarrowed<float>(tensor.float_data(), raw);
  AppendNarrowed<std::int64_t>(tensor.int64_data(), raw);
  AppendNarrowed<double>(tensor.double_data(), raw);
  const int bits = BitsOf(static_cast<ElementType>(tensor.data_type()));
  if (bits == 64) {
    AppendNarrowed<std::uint64_t>(tensor.uint64_data(), raw);
  } else {
    AppendNarrowed<std::uint32_t>(tensor.uint64_data(), raw);
  }
  if (bits == 32) {
    AppendNarrowed<std::int32_t>(tensor.int32_data(), raw);
  } else if (bits == 16) {
    AppendNarrowed<std::uint16_t>(tensor.int32_data(), raw);
  } else {
    AppendNarrowed<std::uint8_t>(tensor.int32_data(), raw);
  }
  return raw;
}

}  // namespace onnxquant
