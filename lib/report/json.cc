#include "onnxquant/report.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

Json LayerOf(int layer) {
  return layer < 0 ? Json(nullptr) : Json(layer);
}

Json ToJson(const TensorRow& row) {
  return {{"name", row.name},           {"shape", row.shape},
          {"role", row.role},           {"layer", LayerOf(row.layer)},
          {"format", row.format},       {"input_bytes", row.input_bytes},
          {"bytes", row.bytes},         {"stored_as", row.stored_as},
          {"same_as", row.same_as},     {"method", row.method},
          {"statistic", row.statistic}, {"gradients", row.gradients},
          {"left", row.left},           {"why", row.why}};
}

Json ToJson(const NodeRow& row) {
  return {{"name", row.name},         {"op", row.op},
          {"role", row.role},         {"layer", LayerOf(row.layer)},
          {"compute", row.compute},   {"outputs", row.outputs},
          {"evidence", row.evidence}, {"why", row.why}};
}

Json ToJson(const ValueRow& row) {
  return {{"name", row.name},
          {"role", row.role},
          {"direction", row.input ? "input" : "output"},
          {"type", row.type},
          {"why", row.why}};
}

Json ToJson(const FileRow& row) {
  return {{"name", row.name}, {"bytes", row.bytes}};
}

Json ToJson(const FormatRow& row) {
  return {{"format", row.format}, {"tensors", row.tensors}, {"bytes", row.bytes}};
}

Json ToJson(const OutputReport& output);

template <typename Row>
Json Rows(const std::vector<Row>& rows) {
  Json array = Json::array();
  for (const Row& row : rows) array.push_back(ToJson(row));
  return array;
}

Json ToJson(const OutputReport& output) {
  return {{"dtype", output.dtype},
          {"policy", output.policy},
          {"bytes", output.TotalBytes()},
          {"files", Rows(output.files)},
          {"formats", Rows(output.formats)},
          {"casts", output.casts},
          {"float32_values", output.float32_values},
          {"half_values", output.half_values},
          {"shared_tensors", output.shared_tensors},
          {"shared_bytes", output.shared_bytes},
          {"tied_tensors", output.tied_tensors},
          {"tied_bytes", output.tied_bytes},
          {"residual", output.residual},
          {"rope_cache", output.rope_cache},
          {"runs", output.runs},
          {"warnings", output.warnings},
          {"tensors", Rows(output.tensors)},
          {"nodes", Rows(output.nodes)},
          {"values", Rows(output.values)}};
}

}  // namespace

std::string ToJson(const Report& report) {
  const Json json = {{"onnxquant", 1},
                     {"input", report.input},
                     {"input_bytes", report.input_bytes},
                     {"policy_choice", report.policy_choice},
                     {"directory", report.directory},
                     {"config", report.config},
                     {"bytes_read", report.bytes_read},
                     {"seconds", report.seconds},
                     {"outputs", Rows(report.outputs)}};
  // A name that is not UTF-8 is shown with replacement characters rather than refused.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
