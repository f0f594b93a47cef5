#include "lib/policy/evidence.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/visible.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {

absl::StatusOr<Ranges> LoadRanges(const std::string& path) {
  const TextRule rule = {.kind = ErrorKind::kUsage,
                         .what = "the file of ranges",
                         .largest = limits::kRangesBytes,
                         .pipes = true};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ReadText(path, rule));
  ONNXQUANT_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(text, path, {}));
  const auto values = json.is_object() ? json.find("values") : json.end();
  if (!json.is_object() || values == json.end() || !values->is_object()) {
    return UsageError(path,
                      ": found no object 'values' in it; ranges are JSON as 'onnxquant "
                      "ranges' writes it: {\"values\": {NAME: {\"peak\": 12.5}}}");
  }
  Ranges ranges;
  ranges.file = path;
  for (const auto& [name, value] : values->items()) {
    const auto peak = value.is_object() ? value.find("peak") : value.end();
    const bool number = value.is_object() && peak != value.end() && peak->is_number();
    if (!number || !(peak->get<double>() >= 0) || !std::isfinite(peak->get<double>())) {
      return UsageError(path, ": value '", VisibleStart(name),
                        "' has no finite number 'peak' of 0 or more; measure the ranges again");
    }
    ranges.peaks[name] = peak->get<double>();
  }
  return ranges;
}

}  // namespace onnxquant
