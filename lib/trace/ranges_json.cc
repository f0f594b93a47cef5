#include <nlohmann/json.hpp>

#include "lib/trace/ranges.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json RangeJson(const ValueRange& value) {
  const Range& range = value.range;
  Json json = {{"peak", range.peak},
               {"min", range.min},
               {"max", range.max},
               {"p50", range.p50},
               {"p99", range.p99},
               {"p99_9", range.p999},
               {"beyond_fp16", range.beyond_fp16},
               {"layer", value.layer < 0 ? Json(nullptr) : Json(value.layer)},
               {"op", value.op}};
  if (range.nan > 0) json["nan"] = range.nan;
  if (range.inf > 0) json["inf"] = range.inf;
  return json;
}

}  // namespace

std::string ToJson(const RangeReport& ranges) {
  std::string text = "{\n  \"model\": " + Dump(ranges.model) +
                     ",\n  \"tokens\": " + std::to_string(ranges.tokens) +
                     ",\n  \"runs\": " + std::to_string(ranges.runs) +
                     ",\n  \"notes\": " + Dump(ranges.notes) + ",\n  \"values\": {";
  const char* separator = "\n";
  for (const ValueRange& value : ranges.values) {
    text += separator;
    text += "    " + Dump(value.name) + ": " + Dump(RangeJson(value));
    separator = ",\n";
  }
  return text + "\n  }\n}\n";
}

}  // namespace onnxquant
