// config_contradicts: what config.json tells Transformers.js, against the files.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/check/checkers.h"
#include "lib/model/layout.h"
#include "lib/model/web_config.h"
#include "lib/policy/dtypes.h"
#include "lib/text/json_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class ConfigCheck {
 public:
  ConfigCheck(const CheckContext& context, const char* kind, std::vector<Finding>& findings)
      : context_(context), kind_(kind), findings_(findings), path_(context.model.path()) {
    stem_ = SplitStem(path_.stem().string());
    if (stem_.dtype.empty()) stem_.dtype = "fp32";
  }

  void Run() {
    const std::optional<std::string> config = FindConfigJson(context_.model.path());
    if (!context_.model.from_file() || !config || !IsWebDtype(stem_.dtype)) return;
    config_ = *config;
    const absl::StatusOr<Json> read = Read();
    if (!read.ok()) {
      Add(config_,
          absl::StrCat(std::string(read.status().message()),
                       ", so that Transformers.js may not read it"),
          "mend the file");
      return;
    }
    const Json& json = *read;
    const auto found = json.is_object() ? json.find("transformers.js_config") : json.end();
    if (found == json.end() || !found->is_object()) return;
    CheckCacheType(*found);
    CheckLocations();
    CheckChunks(*found);
    CheckDtypes(*found);
  }

 private:
  absl::StatusOr<Json> Read() const {
    ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ReadConfig(config_));
    return ParseJson(text, config_, {.kind = ErrorKind::kModel, .unique_keys = false});
  }

  void Add(const std::string& place, const std::string& evidence, const std::string& remedy,
           bool mended = false) {
    Finding finding;
    finding.kind = kind_;
    finding.place = place;
    finding.count = 1;
    finding.places = {place};
    finding.evidence = evidence;
    finding.remedy = remedy;
    finding.mended = mended;
    findings_.push_back(std::move(finding));
  }

  std::string FileName() const { return path_.filename().string(); }

  // Whether the conversion that a check recommends leaves the types of such a file as they are.
  bool IsRepaired() const {
    return context_.analysis != nullptr && (stem_.dtype == "fp16" || stem_.dtype == "q4f16");
  }

  bool Exists(const std::string& name) const {
    std::error_code error;
    return fs::exists(path_.parent_path() / name, error);
  }

  // Up to version 4.1 it makes the cache's tensors of this type; later ones ask the session.
  void CheckCacheType(const Json& config) {
    if (context_.analysis == nullptr) return;
    const std::string real = CacheType();
    if (real != "float16" && real != "float32") return;
    const Json& setting = config.value("kv_cache_dtype", Json());
    std::string said = "float32";
    if (setting.is_string()) said = setting.get<std::string>();
    if (setting.is_object() && setting.contains(stem_.dtype) && setting[stem_.dtype].is_string()) {
      said = setting[stem_.dtype].get<std::string>();
    }
    if (said == real) return;
    Add(config_,
        absl::StrCat("kv_cache_dtype ", setting.is_null() ? "is not given, which means " : "says ",
                     said, " for ", stem_.dtype, ", but the cache of ", FileName(), " is ", real),
        absl::StrCat("set \"kv_cache_dtype\": {\"", stem_.dtype, "\": \"", real,
                     "\"} in transformers.js_config"));
  }

  std::string CacheType() const {
    for (ValueId id = 0; id < static_cast<ValueId>(context_.graph().values().size()); ++id) {
      const bool cache = context_.analysis->roles.OfValue(id).role == Role::kKvCache;
      if (cache && context_.graph().value(id).graph_input) return NameOf(context_.TypeOf(id));
    }
    return "";
  }

  // The names that the model asks for its data files by, missing ones included.
  std::set<std::string> Locations() const {
    std::set<std::string> locations;
    for (const ExternalFile& file : context_.model.external_files()) {
      locations.insert(fs::path(file.location).lexically_normal().string());
    }
    for (const Damage& damage : context_.model.damages()) {
      if (!damage.file.empty()) locations.insert(fs::path(damage.file).lexically_normal().string());
    }
    return locations;
  }

  void CheckLocations() {
    const std::set<std::string> locations = Locations();
    std::vector<std::string> odd;
    for (const std::string& location : locations) {
      bool known = false;
      for (std::size_t i = 0; i < locations.size() && !known; ++i) {
        known = location == ShardFileName(FileName(), static_cast<int>(i));
      }
      if (!known) odd.push_back(location);
    }
    if (!odd.empty()) {
      Add(context_.model.path(),
          absl::StrCat("its data are in '", absl::StrJoin(odd, "', '"),
                       "'; Transformers.js looks for '", ShardFileName(FileName(), 0), "', '",
                       ShardFileName(FileName(), 1), "' …"),
          "write the model once more with onnxquant, which names its data files so", IsRepaired());
    }
    for (const ExternalFile& file : context_.model.external_files()) {
      if (file.size <= kLargestInBrowsers) continue;
      Add(file.path,
          absl::StrCat("has ", file.size,
                       " bytes; browsers hold a data file in one array of at most ",
                       kLargestInBrowsers),
          "write the model once more with onnxquant --max-shard 1900M");
    }
  }

  // By the file's full name, then by its base name, else 0.
  int ChunksOf(const Json& setting) const {
    if (setting.is_boolean()) return setting.get<bool>() ? 1 : 0;
    if (setting.is_object()) {
      for (const std::string& name : {FileName(), stem_.base}) {
        if (setting.contains(name)) return ChunksOf(setting[name]);
      }
      return 0;
    }
    return setting.is_number_integer() && setting >= 0 && setting <= 100 ? setting.get<int>() : 0;
  }

  void CheckChunks(const Json& config) {
    const Json& setting = config.value("use_external_data_format", Json());
    const auto needed = static_cast<int>(Locations().size());
    const int said = ChunksOf(setting);
    const std::string remedy =
        absl::StrCat("set \"use_external_data_format\": {\"", FileName(), "\": ", needed,
                     "} in transformers.js_config, beside the entries of other files");
    if (said < needed) {
      Add(config_,
          absl::StrCat("use_external_data_format says that ", FileName(), " has ", said,
                       " data files; it has ", needed, ", and would load without them"),
          remedy);
    }
    for (int i = needed; i < said; ++i) {
      const std::string name = ShardFileName(FileName(), i);
      if (Exists(name)) continue;
      Add(config_,
          absl::StrCat("use_external_data_format says that ", FileName(), " has ", said,
                       " data files, but there is no '", name, "', and loading ends there"),
          remedy);
      break;
    }
  }

  void CheckDtypes(const Json& config) {
    const Json& setting = config.value("dtype", Json());
    if (setting.is_string()) CheckDtype(stem_.base, setting.get<std::string>());
    if (!setting.is_object()) return;
    for (const auto& [base, dtype] : setting.items()) {
      if (dtype.is_string()) CheckDtype(base, dtype.get<std::string>());
    }
  }

  void CheckDtype(const std::string& base, const std::string& dtype) {
    const absl::StatusOr<std::string> suffix = FileSuffixOf(dtype);
    if (dtype == "auto") return;
    const std::string name = absl::StrCat(base, suffix.value_or(""), ".onnx");
    if (suffix.ok() && Exists(name)) return;
    Add(config_,
        suffix.ok()
            ? absl::StrCat("dtype asks for ", dtype, ", but there is no '", name, "'")
            : absl::StrCat("dtype asks for '", dtype, "', which Transformers.js does not know"),
        absl::StrCat(
            "set \"dtype\" in transformers.js_config to one whose file is there, such as \"",
            stem_.dtype, "\""));
  }

  const CheckContext& context_;
  const char* kind_;
  std::vector<Finding>& findings_;
  const fs::path path_;
  FileStem stem_;
  std::string config_;
};

}  // namespace

absl::Status FindConfigFaults(const CheckContext& context, const char* kind,
                              std::vector<Finding>& findings) {
  ConfigCheck(context, kind, findings).Run();
  return absl::OkStatus();
}

}  // namespace onnxquant
