#include "lib/parts/record.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/parts/json_pages.h"
#include "lib/text/json_text.h"

namespace onnxquant {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;

constexpr int kVersion = 1;

bool IsCount(const json& value, std::uint64_t most) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= most;
}

bool IsText(const json& object, const char* key) {
  return object.contains(key) && object[key].is_string();
}

bool IsIndex(const json& object, const char* key) {
  return object.contains(key) && IsCount(object[key], std::numeric_limits<int>::max());
}

// Whether all is there, and of the right type.
bool IsRecord(const json& page) {
  const bool head = page.is_object() && page.value("onnxquant_part", json()) == kVersion &&
                    IsText(page, "manifest") && IsText(page, "file") && IsText(page, "sha256") &&
                    page.contains("bytes") && IsCount(page["bytes"], UINT64_MAX) &&
                    IsIndex(page, "part") && IsIndex(page, "of") && page.contains("inline") &&
                    page["inline"].is_array() && page.contains("warnings") &&
                    page["warnings"].is_array();
  if (!head) return false;
  for (const json& row : page["inline"]) {
    if (!row.is_object() || !IsIndex(row, "initializer") || !IsText(row, "base64")) return false;
  }
  for (const json& warning : page["warnings"]) {
    if (!warning.is_string()) return false;
  }
  return true;
}

}  // namespace

std::string RecordName(const std::string& file) {
  return file + ".json";
}

std::string ToText(const Record& record) {
  Ordered rows = Ordered::array();
  for (const InlinePayload& payload : record.payloads) {
    rows.push_back(
        {{"initializer", payload.initializer}, {"base64", absl::Base64Escape(payload.bytes)}});
  }
  return ToPage({{"onnxquant_part", kVersion},
                 {"manifest", record.manifest},
                 {"file", record.file},
                 {"bytes", record.bytes},
                 {"sha256", record.sha256},
                 {"part", record.part.number},
                 {"of", record.part.of},
                 {"inline", std::move(rows)},
                 {"warnings", record.warnings}});
}

absl::StatusOr<Record> ParseRecord(const std::string& text, const std::string& origin) {
  ONNXQUANT_ASSIGN_OR_RETURN(const json page, ParseJson(text, origin, {}));
  if (!IsRecord(page)) return UsageError(origin, ": is no record of a data file, or damaged");
  Record record;
  record.manifest = page["manifest"].get<std::string>();
  record.file = page["file"].get<std::string>();
  record.bytes = page["bytes"].get<std::uint64_t>();
  record.sha256 = page["sha256"].get<std::string>();
  record.part = {page["part"].get<int>(), page["of"].get<int>()};
  record.warnings = page["warnings"].get<std::vector<std::string>>();
  for (const json& row : page["inline"]) {
    InlinePayload payload;
    payload.initializer = row["initializer"].get<int>();
    if (!absl::Base64Unescape(row["base64"].get<std::string>(), &payload.bytes)) {
      return UsageError(origin, ": the base64 of initializer ", payload.initializer, " is damaged");
    }
    record.payloads.push_back(std::move(payload));
  }
  return record;
}

}  // namespace onnxquant
