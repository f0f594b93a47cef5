#include "lib/inspect/graph_bytes.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/model/wire_reader.h"
#include "lib/report/table.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

using Part = GraphPart;

constexpr std::int64_t kLeastShare = 20;  // parts below 1/20 of a difference are not spoken of

// Messages that are looked into; kNone is counted whole.
enum class Message { kNone, kModel, kGraph, kFunction, kNode, kAttribute, kTensor, kSparse };

struct Rule {
  Message in;
  int field;
  Part part;  // of the field; of a message that is looked into, its tag and length
  Message inside = Message::kNone;
  bool counted = false;
};

// A field without a row belongs to RestOf(its message).
constexpr Rule kRules[] = {
    {Message::kModel, onnx::ModelProto::kGraphFieldNumber, Part::kOther, Message::kGraph},
    {Message::kModel, onnx::ModelProto::kFunctionsFieldNumber, Part::kOther, Message::kFunction},
    {Message::kModel, onnx::ModelProto::kDocStringFieldNumber, Part::kMetadata},
    {Message::kModel, onnx::ModelProto::kProducerNameFieldNumber, Part::kMetadata},
    {Message::kModel, onnx::ModelProto::kProducerVersionFieldNumber, Part::kMetadata},
    {Message::kModel, onnx::ModelProto::kMetadataPropsFieldNumber, Part::kMetadata},

    {Message::kFunction, onnx::FunctionProto::kNodeFieldNumber, Part::kOperators, Message::kNode,
     true},
    {Message::kFunction, onnx::FunctionProto::kValueInfoFieldNumber, Part::kValueInfo,
     Message::kNone, true},
    {Message::kFunction, onnx::FunctionProto::kDocStringFieldNumber, Part::kMetadata},
    {Message::kFunction, onnx::FunctionProto::kMetadataPropsFieldNumber, Part::kMetadata},

    {Message::kGraph, onnx::GraphProto::kNodeFieldNumber, Part::kOperators, Message::kNode, true},
    {Message::kGraph, onnx::GraphProto::kInitializerFieldNumber, Part::kHeaders, Message::kTensor,
     true},
    {Message::kGraph, onnx::GraphProto::kSparseInitializerFieldNumber, Part::kHeaders,
     Message::kSparse, true},
    {Message::kGraph, onnx::GraphProto::kValueInfoFieldNumber, Part::kValueInfo, Message::kNone,
     true},
    {Message::kGraph, onnx::GraphProto::kInputFieldNumber, Part::kInterface, Message::kNone, true},
    {Message::kGraph, onnx::GraphProto::kOutputFieldNumber, Part::kInterface, Message::kNone, true},
    {Message::kGraph, onnx::GraphProto::kDocStringFieldNumber, Part::kMetadata},
    {Message::kGraph, onnx::GraphProto::kMetadataPropsFieldNumber, Part::kMetadata},

    {Message::kNode, onnx::NodeProto::kNameFieldNumber, Part::kNodeNames, Message::kNone, true},
    {Message::kNode, onnx::NodeProto::kInputFieldNumber, Part::kValueNames, Message::kNone, true},
    {Message::kNode, onnx::NodeProto::kOutputFieldNumber, Part::kValueNames, Message::kNone, true},
    {Message::kNode, onnx::NodeProto::kAttributeFieldNumber, Part::kAttributes, Message::kAttribute,
     true},
    {Message::kNode, onnx::NodeProto::kDocStringFieldNumber, Part::kMetadata},
    {Message::kNode, onnx::NodeProto::kMetadataPropsFieldNumber, Part::kMetadata},

    {Message::kAttribute, onnx::AttributeProto::kGFieldNumber, Part::kAttributes, Message::kGraph},
    {Message::kAttribute, onnx::AttributeProto::kGraphsFieldNumber, Part::kAttributes,
     Message::kGraph},
    {Message::kAttribute, onnx::AttributeProto::kDocStringFieldNumber, Part::kMetadata},

    {Message::kTensor, onnx::TensorProto::kRawDataFieldNumber, Part::kPayloads, Message::kNone,
     true},
    {Message::kTensor, onnx::TensorProto::kFloatDataFieldNumber, Part::kPayloads},
    {Message::kTensor, onnx::TensorProto::kInt32DataFieldNumber, Part::kPayloads},
    {Message::kTensor, onnx::TensorProto::kStringDataFieldNumber, Part::kPayloads},
    {Message::kTensor, onnx::TensorProto::kInt64DataFieldNumber, Part::kPayloads},
    {Message::kTensor, onnx::TensorProto::kDoubleDataFieldNumber, Part::kPayloads},
    {Message::kTensor, onnx::TensorProto::kUint64DataFieldNumber, Part::kPayloads},
    {Message::kTensor, onnx::TensorProto::kDocStringFieldNumber, Part::kMetadata},
    {Message::kTensor, onnx::TensorProto::kMetadataPropsFieldNumber, Part::kMetadata},

    {Message::kSparse, onnx::SparseTensorProto::kValuesFieldNumber, Part::kHeaders,
     Message::kTensor},
    {Message::kSparse, onnx::SparseTensorProto::kIndicesFieldNumber, Part::kHeaders,
     Message::kTensor},
};

Part RestOf(Message message) {
  switch (message) {
    case Message::kNode:
      return Part::kOperators;
    case Message::kAttribute:
      return Part::kAttributes;
    case Message::kTensor:
    case Message::kSparse:
      return Part::kHeaders;
    default:
      return Part::kOther;
  }
}

Rule RuleFor(Message message, const WireField& field) {
  for (const Rule& rule : kRules) {
    if (rule.in != message || rule.field != static_cast<int>(field.number)) continue;
    Rule found = rule;
    if (field.wire != kLength) found.inside = Message::kNone;
    return found;
  }
  return {message, 0, RestOf(message)};
}

absl::Status Walk(absl::Span<const std::byte> file, std::size_t at, std::size_t end,
                  Message message, GraphBytes& result) {
  WireReader reader(file, at, end);
  while (!reader.AtEnd()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const WireField field, reader.Next());
    const Rule rule = RuleFor(message, field);
    const bool whole = rule.inside == Message::kNone;
    const auto part = static_cast<std::size_t>(rule.part);
    result.bytes[part] += (whole ? field.end : field.content) - field.start;
    result.counts[part] += rule.counted ? 1 : 0;
    if (whole) continue;
    ONNXQUANT_RETURN_IF_ERROR(Walk(file, field.content, field.end, rule.inside, result));
  }
  return absl::OkStatus();
}

constexpr GraphPartName kNames[kGraphParts] = {
    {Part::kOperators, "operators", "nodes (operator, framing)"},
    {Part::kNodeNames, "node_names", "names of nodes"},
    {Part::kValueNames, "value_names", "names of what nodes read and make"},
    {Part::kAttributes, "attributes", "attributes of nodes"},
    {Part::kValueInfo, "value_info", "declared types of inner values"},
    {Part::kInterface, "inputs_outputs", "inputs and outputs of the graph"},
    {Part::kPayloads, "inline_weights", "weights inside the file"},
    {Part::kHeaders, "weight_headers", "names, shapes and places of weights"},
    {Part::kMetadata, "metadata", "documentation and metadata"},
    {Part::kOther, "other", "the rest"},
};

}  // namespace

absl::Span<const GraphPartName> GraphPartNames() {
  return kNames;
}

absl::StatusOr<GraphBytes> MeasureGraphBytes(absl::Span<const std::byte> file) {
  GraphBytes result;
  result.total = file.size();
  ONNXQUANT_RETURN_IF_ERROR(Walk(file, 0, file.size(), Message::kModel, result));
  return result;
}

absl::StatusOr<GraphBytes> MeasureGraphBytes(const Model& model) {
  if (!model.content().empty()) return MeasureGraphBytes(model.content());
  const std::string text = model.proto().SerializeAsString();
  return MeasureGraphBytes(AsBytes(text));
}

std::string GraphBytesWords(const GraphBytes& first, const GraphBytes& second) {
  if (first.total == second.total) return "";
  struct Change {
    const GraphPartName* part;
    std::int64_t bytes;
  };
  const auto difference = [](std::uint64_t from, std::uint64_t to) {
    return static_cast<std::int64_t>(to) - static_cast<std::int64_t>(from);
  };
  const std::int64_t whole = difference(first.total, second.total);
  std::vector<Change> changes;
  for (const GraphPartName& part : kNames) {
    const std::int64_t bytes = difference(first.Of(part.part), second.Of(part.part));
    if (std::abs(bytes) * kLeastShare >= std::abs(whole)) changes.push_back({&part, bytes});
  }
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return std::abs(a.bytes) > std::abs(b.bytes);
  });
  const auto number = [](std::int64_t value) {
    return WithSeparators(static_cast<std::uint64_t>(std::abs(value)));
  };
  std::vector<std::string> parts;
  for (const Change& change : changes) {
    parts.push_back(absl::StrCat(number(change.bytes), change.bytes > 0 ? " more" : " fewer",
                                 " for ", change.part->meaning));
  }
  const bool weights = first.Of(Part::kPayloads) != second.Of(Part::kPayloads);
  return absl::StrCat("B's .onnx file is ", number(whole), " bytes ",
                      whole > 0 ? "larger" : "smaller", " (A: ", WithSeparators(first.total),
                      ", B: ", WithSeparators(second.total), "): ", absl::StrJoin(parts, ", "),
                      weights ? "" : "; no weights are among it");
}

}  // namespace onnxquant
