#include "lib/policy/evidence.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lib/base/error.h"

namespace onnxquant {

absl::StatusOr<Ranges> LoadRanges(const std::string& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  if (!stream || stream.bad()) return UsageError(path, ": the ranges cannot be read");
  const auto json = nlohmann::json::parse(text.str(), nullptr, false);
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
      return UsageError(path, ": value '", name,
                        "' has no finite number 'peak' of 0 or more; measure the ranges again");
    }
    ranges.peaks[name] = peak->get<double>();
  }
  return ranges;
}

}  // namespace onnxquant
