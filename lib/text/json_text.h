// JSON that may be damaged, or made to harm.
#ifndef ONNXQUANT_LIB_TEXT_JSON_TEXT_H_
#define ONNXQUANT_LIB_TEXT_JSON_TEXT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/base/limits.h"
#include "onnxquant/error.h"

namespace onnxquant {

struct JsonRule {
  ErrorKind kind = ErrorKind::kUsage;
  // Refuse a key that stands twice in one object. Else the last one holds, as in JavaScript.
  bool unique_keys = true;
  std::int64_t values = limits::kJsonValues;
  int line = 1;  // of the file, in which the text begins
};

// Errors begin with `origin:LINE:COLUMN:`. Refused besides what is no JSON: nesting beyond
// limits::kJsonDepth, more values than the rule allows, numbers that no double holds, text that is
// no UTF-8.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, const std::string& origin,
                                         const JsonRule& rule);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TEXT_JSON_TEXT_H_
