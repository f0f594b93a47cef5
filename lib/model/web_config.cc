#include "lib/model/web_config.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "lib/base/error.h"
#include "lib/model/layout.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// nlohmann's parser reports errors through this interface when it may not throw.
class ErrorFinder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    message = error.what();
    return false;
  }
  std::string message;
};

// How many data files stand beside `model`, as Transformers.js counts them.
int ChunksOf(const std::string& model, absl::Span<const std::string> files) {
  const auto exists = [files](const std::string& name) {
    return std::find(files.begin(), files.end(), name) != files.end();
  };
  int chunks = 0;
  while (exists(ShardFileName(model, chunks))) ++chunks;
  return chunks;
}

// The object form of use_external_data_format that says the same as `old` for the files present.
Json ObjectForm(const Json& old, absl::Span<const std::string> files) {
  if (old.is_object()) return old;
  Json object = Json::object();
  const bool used = (old.is_boolean() && old.get<bool>()) || (old.is_number() && old != 0);
  if (!used) return object;
  for (const std::string& file : files) {
    const int chunks = absl::EndsWith(file, ".onnx") ? ChunksOf(file, files) : 0;
    if (chunks > 0) object[file] = chunks;
  }
  return object;
}

Json& Member(Json& object, const char* key) {
  Json& member = object[key];
  if (member.is_null()) member = Json::object();
  return member;
}

// transformers.js_config is one object whose kv_cache_dtype maps dtypes to types; a plain string
// there speaks for all dtypes and is left alone when it already fits.
void SetCacheTypes(Json& config, absl::Span<const WebConfigEntry> entries) {
  for (const WebConfigEntry& entry : entries) {
    if (!entry.kv_cache) continue;
    const bool present = config.contains("kv_cache_dtype");
    if (!present && entry.kv_type == "float32") continue;  // the default
    if (present && !config["kv_cache_dtype"].is_object()) config["kv_cache_dtype"] = Json::object();
    Json& types = Member(config, "kv_cache_dtype");
    if (entry.kv_type == "float32") {
      types.erase(entry.dtype);
    } else {
      types[entry.dtype] = entry.kv_type;
    }
  }
}

}  // namespace

absl::StatusOr<std::string> UpdateWebConfig(const std::string& text,
                                            absl::Span<const WebConfigEntry> entries,
                                            absl::Span<const std::string> existing_files) {
  ErrorFinder finder;
  if (!Json::sax_parse(text, &finder)) {
    return ModelError("is not valid JSON: ", finder.message);
  }
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return ModelError("is not a JSON object");
  Json& config = Member(json, "transformers.js_config");
  if (!config.is_object()) return ModelError("\"transformers.js_config\" is not a JSON object");
  Json& external = config["use_external_data_format"];
  external = ObjectForm(external, existing_files);
  for (const WebConfigEntry& entry : entries) {
    if (entry.chunks > 0) {
      external[entry.file] = entry.chunks;
    } else {
      external.erase(entry.file);
    }
  }
  SetCacheTypes(config, entries);
  std::string updated = json.dump(2, ' ', false, Json::error_handler_t::replace);
  if (absl::EndsWith(text, "\n")) updated += "\n";
  return updated;
}

std::optional<std::string> FindConfigJson(const std::string& model_path) {
  fs::path folder = fs::path(model_path).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  const fs::path beside = folder / "config.json";
  if (fs::is_regular_file(beside, error)) return beside.string();
  const fs::path real = fs::weakly_canonical(fs::absolute(folder, error), error);
  if (real.filename() != "onnx") return std::nullopt;
  fs::path above = folder / ".." / "config.json";
  // A folder that the run will make has no ".." yet.
  if (!fs::exists(folder, error)) above = above.lexically_normal();
  if (fs::is_regular_file(above, error)) return above.lexically_normal().string();
  return std::nullopt;
}

}  // namespace onnxquant
