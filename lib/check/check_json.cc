#include <nlohmann/json.hpp>

#include "onnxquant/check.h"

namespace onnxquant {

std::string ToJson(const CheckResult& result) {
  using Json = nlohmann::ordered_json;
  Json json = {
      {"path", result.path},          {"target", result.target},       {"ok", result.ok()},
      {"errors", result.errors()},    {"warnings", result.warnings()}, {"layers", result.layers},
      {"half_type", result.half_type}};
  json["findings"] = Json::array();
  for (const Finding& finding : result.findings) {
    json["findings"].push_back({{"kind", finding.kind},
                                {"severity", NameOf(finding.severity)},
                                {"place", finding.place},
                                {"layer", finding.layer < 0 ? Json(nullptr) : Json(finding.layer)},
                                {"count", finding.count},
                                {"places", finding.places},
                                {"evidence", finding.evidence},
                                {"remedy", finding.remedy},
                                {"mended", finding.mended}});
  }
  json["policy"] = result.policy;
  json["dtype"] = result.dtype;
  json["command"] = result.command;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
