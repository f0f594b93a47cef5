// Words of JSON Schema.
#ifndef ONNXQUANT_LIB_POLICY_JSON_SCHEMA_H_
#define ONNXQUANT_LIB_POLICY_JSON_SCHEMA_H_

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace onnxquant::json_schema {

using Json = nlohmann::ordered_json;

inline Json Enum(Json words) {
  return {{"enum", std::move(words)}};
}

inline Json Described(Json schema, absl::string_view description) {
  schema["description"] = std::string(description);
  return schema;
}

// An object that has no other keys.
inline Json Object(Json properties, Json required = Json::array()) {
  Json object = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) object["required"] = std::move(required);
  object["additionalProperties"] = false;
  return object;
}

// One, or a list of them.
inline Json OneOrMore(Json one) {
  Json list = {{"type", "array"}, {"items", one}, {"minItems", 1}};
  return {{"anyOf", {std::move(one), std::move(list)}}};
}

inline Json Boolean() {
  return {{"type", "boolean"}};
}

}  // namespace onnxquant::json_schema

#endif  // ONNXQUANT_LIB_POLICY_JSON_SCHEMA_H_
