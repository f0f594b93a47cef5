#include "lib/convert/planned_output.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

constexpr std::uint64_t kLargestMessage = 2'147'483'647;

void AddExternalEntry(onnx::TensorProto& tensor, const char* key, const std::string& value) {
  onnx::StringStringEntryProto* entry = tensor.add_external_data();
  entry->set_key(key);
  entry->set_value(value);
}

}  // namespace

absl::StatusOr<PlannedOutput> LayOut(Rewritten rewritten, const std::string& file_name,
                                     const LayoutOptions& options) {
  PlannedOutput output;
  output.file_name = file_name;
  onnx::GraphProto& graph = *rewritten.model.mutable_graph();
  std::vector<LayoutItem> items;
  for (std::size_t i = 0; i < rewritten.bytes.size(); ++i) {
    items.push_back({rewritten.bytes[i], rewritten.keep_inline[i]});
    if (rewritten.bytes[i] > options.max_shard) {
      return ModelError("initializer '", graph.initializer(static_cast<int>(i)).name(), "' takes ",
                        rewritten.bytes[i], " bytes in ", file_name,
                        ", more than one data file may hold (", options.max_shard,
                        "); raise --max-shard, or store it in fewer bits");
    }
  }
  ONNXQUANT_ASSIGN_OR_RETURN(output.layout, PlanLayout(items, options));
  for (int i = 0; i < graph.initializer_size(); ++i) {
    onnx::TensorProto& tensor = *graph.mutable_initializer(i);
    const Placement& place = output.layout.items[static_cast<std::size_t>(i)];
    if (place.external()) {
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
      AddExternalEntry(tensor, "location", ShardFileName(file_name, place.shard));
      AddExternalEntry(tensor, "offset", absl::StrCat(place.offset));
      AddExternalEntry(tensor, "length", absl::StrCat(place.bytes));
    } else if (tensor.data_type() != onnx::TensorProto::STRING) {
      tensor.mutable_raw_data()->resize(rewritten.bytes[static_cast<std::size_t>(i)]);
    }
  }
  output.rewritten = std::move(rewritten);
  output.model_bytes = output.rewritten.model.ByteSizeLong();
  if (output.model_bytes > kLargestMessage) {
    return ModelError(file_name, " would take ", output.model_bytes,
                      " bytes without its external data; one ONNX file holds at most 2 GB");
  }
  return output;
}

}  // namespace onnxquant
