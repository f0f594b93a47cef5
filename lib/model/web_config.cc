#include "lib/model/web_config.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/files/folder.h"
#include "lib/model/layout.h"
#include "lib/text/json_edit.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kSection[] = "transformers.js_config";
constexpr char kChunks[] = "use_external_data_format";
constexpr char kCacheTypes[] = "kv_cache_dtype";
constexpr int kDepth = 3;

// How many data files stand beside `model`, as Transformers.js counts them.
int ChunksOf(const std::string& model, absl::Span<const std::string> files) {
  const auto exists = [files](const std::string& name) {
    return std::find(files.begin(), files.end(), name) != files.end();
  };
  int chunks = 0;
  while (exists(ShardFileName(model, chunks))) ++chunks;
  return chunks;
}

// A member that is an object from now on; what else stood there is gone. Null counts as nothing.
absl::Status MakeObject(JsonEdit& config, JsonPath path) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Json> value, config.Get(path));
  if (value && value->is_object()) return absl::OkStatus();
  return config.Set(path, Json::object());
}

// use_external_data_format as an object that says the same as before for the files present.
absl::Status SpreadChunks(JsonEdit& config, absl::Span<const std::string> files) {
  const std::vector<std::string> path = {kSection, kChunks};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Json> old, config.Get(path));
  ONNXQUANT_RETURN_IF_ERROR(MakeObject(config, path));
  const bool used =
      old && ((old->is_boolean() && old->get<bool>()) || (old->is_number() && *old != 0));
  if (!used) return absl::OkStatus();
  for (const std::string& file : files) {
    const int chunks = absl::EndsWith(file, ".onnx") ? ChunksOf(file, files) : 0;
    if (chunks > 0) ONNXQUANT_RETURN_IF_ERROR(config.Set({{kSection, kChunks, file}}, chunks));
  }
  return absl::OkStatus();
}

// The dtype that Transformers.js means by a file's name; "" if it is none of `base`.
std::string DtypeOfFile(absl::string_view file, const std::string& base) {
  if (!absl::ConsumePrefix(&file, base) || !absl::ConsumeSuffix(&file, ".onnx")) return "";
  if (file.empty()) return "fp32";
  if (!absl::ConsumePrefix(&file, "_")) return "";
  return file == "quantized" ? "q8" : std::string(file);
}

// kv_cache_dtype as an object that says the same as before for the files present: it maps dtypes to
// types, and a plain string there spoke for all of them.
absl::Status SpreadCacheTypes(JsonEdit& config, const std::string& base,
                              absl::Span<const std::string> files) {
  const std::vector<std::string> path = {kSection, kCacheTypes};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Json> old, config.Get(path));
  ONNXQUANT_RETURN_IF_ERROR(MakeObject(config, path));
  if (!old || !old->is_string()) return absl::OkStatus();
  for (const std::string& file : files) {
    const std::string dtype = DtypeOfFile(file, base);
    if (!dtype.empty()) {
      ONNXQUANT_RETURN_IF_ERROR(config.Set({{kSection, kCacheTypes, dtype}}, *old));
    }
  }
  return absl::OkStatus();
}

// Where kv_cache_dtype says nothing, float32 is meant; what is right already is left alone.
absl::Status SetCacheTypes(JsonEdit& config, absl::Span<const WebConfigEntry> entries,
                           absl::Span<const std::string> files) {
  const std::vector<std::string> path = {kSection, kCacheTypes};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Json> old, config.Get(path));
  const Json said = old.value_or("float32");
  const bool right = std::all_of(entries.begin(), entries.end(), [&](const WebConfigEntry& entry) {
    return !entry.kv_cache || said == entry.kv_type;
  });
  if (right) return absl::OkStatus();
  for (const WebConfigEntry& entry : entries) {
    if (!entry.kv_cache) continue;
    ONNXQUANT_RETURN_IF_ERROR(SpreadCacheTypes(config, entry.model_base, files));
    const std::vector<std::string> own = {kSection, kCacheTypes, entry.dtype};
    ONNXQUANT_RETURN_IF_ERROR(entry.kv_type == "float32" ? config.Remove(own)
                                                         : config.Set(own, entry.kv_type));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> UpdateWebConfig(const std::string& text, const std::string& origin,
                                            absl::Span<const WebConfigEntry> entries,
                                            absl::Span<const std::string> existing_files) {
  ONNXQUANT_ASSIGN_OR_RETURN(JsonEdit config,
                             JsonEdit::Open(text, kDepth, origin, ErrorKind::kModel));
  const std::vector<std::string> section = {kSection};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::optional<Json> present, config.Get(section));
  if (present && !present->is_null() && !present->is_object()) {
    return ModelError(origin, ": \"", kSection, "\" is not a JSON object");
  }
  ONNXQUANT_RETURN_IF_ERROR(MakeObject(config, section));
  ONNXQUANT_RETURN_IF_ERROR(SpreadChunks(config, existing_files));
  for (const WebConfigEntry& entry : entries) {
    const std::vector<std::string> own = {kSection, kChunks, entry.file};
    ONNXQUANT_RETURN_IF_ERROR(entry.chunks > 0 ? config.Set(own, entry.chunks)
                                               : config.Remove(own));
  }
  ONNXQUANT_RETURN_IF_ERROR(SetCacheTypes(config, entries, existing_files));
  return config.text();
}

absl::StatusOr<std::string> ReadConfig(const std::string& path) {
  return ReadText(
      path,
      {.kind = ErrorKind::kModel, .what = "the configuration", .largest = limits::kConfigBytes});
}

std::optional<std::string> FindConfigJson(const std::string& model_path) {
  const fs::path folder = ParentFolder(model_path);
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
