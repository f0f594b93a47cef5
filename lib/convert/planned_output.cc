#include "lib/convert/planned_output.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/model/serialize.h"
#include "lib/model/wire_reader.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kLargestMessage = 2'147'483'647;

void AddExternalEntry(onnx::TensorProto& tensor, const char* key, const std::string& value) {
  onnx::StringStringEntryProto* entry = tensor.add_external_data();
  entry->set_key(key);
  entry->set_value(value);
}

// The first field of that number in [at, end) of a serialized message; none: of number 0.
absl::StatusOr<WireField> FindField(const std::string& text, std::size_t at, std::size_t end,
                                    std::uint32_t number) {
  WireReader reader(AsBytes(text), at, end);
  while (!reader.AtEnd()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const WireField field, reader.Next());
    if (field.number == number) return field;
  }
  return WireField{};
}

// Puts serialized nodes before those that the graph of a serialized model has.
absl::Status PutIn(const std::string& nodes, std::string& model) {
  using google::protobuf::io::CodedOutputStream;
  if (nodes.empty()) return absl::OkStatus();
  ONNXQUANT_ASSIGN_OR_RETURN(const WireField graph, FindField(model, 0, model.size(),
                                                              onnx::ModelProto::kGraphFieldNumber));
  const auto length = static_cast<std::uint32_t>(graph.end - graph.content + nodes.size());
  std::uint8_t header[10];
  std::uint8_t* end = CodedOutputStream::WriteTagToArray(
      (onnx::ModelProto::kGraphFieldNumber << 3U) | kLength, header);
  end = CodedOutputStream::WriteVarint32ToArray(length, end);
  std::string whole;
  whole.reserve(model.size() + nodes.size() + sizeof(header));
  whole.append(model, 0, graph.start);
  whole.append(reinterpret_cast<const char*>(header), static_cast<std::size_t>(end - header));
  whole += nodes;
  whole.append(model, graph.content);
  model = std::move(whole);
  return absl::OkStatus();
}

// The field of that number of each initializer of a serialized model; where one lacks it, of number
// 0.
absl::StatusOr<std::vector<WireField>> FieldsOfInitializers(const std::string& model,
                                                            std::uint32_t number) {
  std::vector<WireField> fields;
  ONNXQUANT_ASSIGN_OR_RETURN(const WireField graph, FindField(model, 0, model.size(),
                                                              onnx::ModelProto::kGraphFieldNumber));
  WireReader reader(AsBytes(model), graph.content, graph.end);
  while (!reader.AtEnd()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const WireField field, reader.Next());
    if (field.number != onnx::GraphProto::kInitializerFieldNumber) continue;
    ONNXQUANT_ASSIGN_OR_RETURN(fields.emplace_back(),
                               FindField(model, field.content, field.end, number));
  }
  return fields;
}

absl::StatusOr<std::vector<std::uint64_t>> FindPayloads(const std::string& model, int count) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<WireField> fields,
                             FieldsOfInitializers(model, onnx::TensorProto::kRawDataFieldNumber));
  std::vector<std::uint64_t> places;
  for (const WireField& field : fields) places.push_back(field.content);
  if (places.size() != static_cast<std::size_t>(count)) {
    return InternalError("found ", places.size(), " of ", count, " initializers");
  }
  return places;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> InitializerNames(const PlannedOutput& output) {
  ONNXQUANT_ASSIGN_OR_RETURN(
      const std::vector<WireField> fields,
      FieldsOfInitializers(output.model, onnx::TensorProto::kNameFieldNumber));
  std::vector<std::string> names;
  for (const WireField& field : fields) {
    names.push_back(output.model.substr(field.content, field.end - field.content));
  }
  return names;
}

absl::StatusOr<PlannedOutput> LayOut(Rewritten rewritten, const std::string& file_name,
                                     const LayoutOptions& options) {
  PlannedOutput output;
  output.file_name = file_name;
  onnx::GraphProto& graph = *rewritten.model.mutable_graph();
  std::vector<LayoutItem> items;
  for (std::size_t i = 0; i < rewritten.bytes.size(); ++i) {
    const int same_as = rewritten.same_as.empty() ? -1 : rewritten.same_as[i];
    items.push_back({rewritten.bytes[i], rewritten.keep_inline[i], same_as});
    if (rewritten.bytes[i] > options.max_shard) {
      return ModelError(
          "initializer '", graph.initializer(static_cast<int>(i)).name(), "' takes ",
          rewritten.bytes[i], " bytes in ", file_name, ", more than one data file may hold (",
          options.max_shard, "): have a rule store it in fewer bits, or raise --max-shard",
          rewritten.bytes[i] > kLargestInBrowsers ? ", with which no browser loads the file" : "");
    }
  }
  ONNXQUANT_ASSIGN_OR_RETURN(output.layout, PlanLayout(items, options));
  for (int i = 0; i < graph.initializer_size(); ++i) {
    onnx::TensorProto& tensor = *graph.mutable_initializer(i);
    const Placement& place = output.layout.items[static_cast<std::size_t>(i)];
    if (place.external()) {
      const int same_as = items[static_cast<std::size_t>(i)].same_as;
      if (same_as >= 0) {
        output.shared.push_back({tensor.name(), graph.initializer(same_as).name(), place.bytes});
      }
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
      AddExternalEntry(tensor, "location", ShardFileName(file_name, place.shard));
      AddExternalEntry(tensor, "offset", absl::StrCat(place.offset));
      AddExternalEntry(tensor, "length", absl::StrCat(place.bytes));
    } else if (tensor.data_type() != onnx::TensorProto::STRING) {
      tensor.mutable_raw_data()->resize(rewritten.bytes[static_cast<std::size_t>(i)]);
    }
  }
  const std::uint64_t bytes = rewritten.model.ByteSizeLong() + rewritten.sealed_nodes.size();
  if (bytes > kLargestMessage) {
    return ModelError(file_name, " would take ", bytes,
                      " bytes without its external data; one ONNX file holds at most 2 GB");
  }
  const int count = graph.initializer_size();
  ONNXQUANT_RETURN_IF_ERROR(SerializeModel(rewritten.model, &output.model));
  rewritten.model = onnx::ModelProto();
  ONNXQUANT_RETURN_IF_ERROR(PutIn(std::exchange(rewritten.sealed_nodes, {}), output.model));
  ONNXQUANT_ASSIGN_OR_RETURN(output.payload_at, FindPayloads(output.model, count));
  output.rewritten = std::move(rewritten);
  return output;
}

}  // namespace onnxquant
