#include <nlohmann/json.hpp>

#include "lib/verify/alone.h"

namespace onnxquant {
namespace {

using Json = nlohmann::ordered_json;

Json ResultJson(const AloneResult& result) {
  Json json = {{"provider", result.provider},
               {"passed", result.passed()},
               {"failures", result.failures},
               {"nan", result.nan},
               {"inf", result.inf},
               {"text", result.text},
               {"repeats", result.repeats_one_token ? Json(result.token) : Json(nullptr)}};
  if (!result.error.empty()) json["error"] = result.error;
  if (!result.first_bad.empty()) json["first_bad"] = result.first_bad;
  return json;
}

}  // namespace

std::string ToJson(absl::Span<const AloneResult> results) {
  Json json = Json::array();
  for (const AloneResult& result : results) json.push_back(ResultJson(result));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace onnxquant
