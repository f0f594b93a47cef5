#include "lib/model/tensor_check.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

absl::Span<const std::int64_t> DimsOf(const onnx::TensorProto& tensor) {
  return {tensor.dims().data(), static_cast<std::size_t>(tensor.dims_size())};
}

// The data in a tensor itself: one field of those that may hold it.
struct InlinePayload {
  int fields = 0;           // that hold data; raw_data counts where it is there, if only empty
  const char* field = "";   // the last of them
  std::uint64_t bytes = 0;  // of that one; strings count as one each
};

InlinePayload FindPayload(const onnx::TensorProto& tensor) {
  const auto type = static_cast<ElementType>(tensor.data_type());
  const auto width = static_cast<std::uint64_t>(std::max(8, BitsOf(type)) / 8);
  InlinePayload payload;
  const auto found = [&payload](const char* field, std::uint64_t bytes) {
    ++payload.fields;
    payload.field = field;
    payload.bytes = bytes;
  };
  const auto count = [&found](const char* field, int entries, std::uint64_t bytes_each) {
    if (entries > 0) found(field, static_cast<std::uint64_t>(entries) * bytes_each);
  };
  if (tensor.has_raw_data()) found("raw_data", tensor.raw_data().size());
  count("float_data", tensor.float_data_size(), sizeof(float));
  count("int32_data", tensor.int32_data_size(), width);
  count("int64_data", tensor.int64_data_size(), sizeof(std::int64_t));
  count("double_data", tensor.double_data_size(), sizeof(double));
  count("uint64_data", tensor.uint64_data_size(), width);
  count("string_data", tensor.string_data_size(), 1);
  return payload;
}

// One entry for each element, in the only field that ONNX allows them.
absl::Status CheckStrings(const onnx::TensorProto& tensor) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    return ModelError("it holds strings, which cannot stand in an external file");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t expected,
                             PackedBytes(ElementType::kUint8, DimsOf(tensor)));
  const InlinePayload found = FindPayload(tensor);
  if (found.fields > 1) return ModelError("its data stands in more than one field");
  if (found.bytes > 0 && found.field != absl::string_view("string_data")) {
    return ModelError("its data stands in ", found.field, "; strings belong in string_data");
  }
  if (found.bytes != expected) {
    return ModelError("its shape asks for ", expected, " strings, but it holds ", found.bytes);
  }
  return absl::OkStatus();
}

// Where elements of a type belong that are not raw (onnx.proto says it beside each field).
// Elsewhere they would come to other bytes than the shape asks for.
const char* FieldOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
    case ElementType::kComplex64:
      return "float_data";
    case ElementType::kDouble:
    case ElementType::kComplex128:
      return "double_data";
    case ElementType::kInt64:
      return "int64_data";
    case ElementType::kUint32:
    case ElementType::kUint64:
      return "uint64_data";
    default:
      return "int32_data";
  }
}

// Entries of typed fields have more bits than the elements that they stand for, signed or not;
// those beyond would be lost.
template <typename List>
absl::Status CheckWidth(const char* field, const List& entries, ElementType type) {
  const int bits = std::max(8, BitsOf(type));  // of smaller ones two and more stand in a byte
  if (sizeof(entries[0]) * 8 <= static_cast<std::size_t>(bits)) return absl::OkStatus();
  const auto least = -(std::int64_t{1} << (bits - 1));
  const auto most = (std::int64_t{1} << bits) - 1;
  for (int i = 0; i < entries.size(); ++i) {
    if (!std::cmp_less(entries[i], least) && !std::cmp_greater(entries[i], most)) continue;
    return ModelError("its ", field, " has ", entries[i], " at ", i, "; ", NameOf(type), " has ",
                      bits, " bits there");
  }
  return absl::OkStatus();
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
  if (type == ElementType::kString) {
    ONNXQUANT_RETURN_IF_ERROR(CheckStrings(tensor));
    return 0;
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const std::uint64_t expected, PackedBytes(type, DimsOf(tensor)));
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) return expected;
  const InlinePayload found = FindPayload(tensor);
  if (found.fields > 1) return ModelError("its data stands in more than one field");
  const absl::string_view field = found.field;
  if (found.fields == 1 && field != "raw_data" && field != FieldOf(type)) {
    return ModelError("its data stands in ", field, "; that of ", NameOf(type), " belongs in ",
                      FieldOf(type), " or raw_data");
  }
  if (found.bytes != expected) {
    return ModelError("its shape and type ask for ", expected, " bytes, but it holds ",
                      found.bytes);
  }
  ONNXQUANT_RETURN_IF_ERROR(CheckWidth("int32_data", tensor.int32_data(), type));
  ONNXQUANT_RETURN_IF_ERROR(CheckWidth("uint64_data", tensor.uint64_data(), type));
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
