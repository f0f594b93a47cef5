#include "lib/parts/manifest.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/base/sha256.h"
#include "lib/files/folder.h"
#include "lib/parts/fingerprint.h"
#include "lib/parts/json_pages.h"
#include "lib/parts/manifest_layout.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using Ordered = nlohmann::ordered_json;
using nlohmann::json;

constexpr char kKey[] = "onnxquant_manifest";
constexpr int kVersion = 1;
constexpr char kAnew[] = "; make the manifest anew with 'onnxquant plan --manifest'";

// As it is found from the manifest's folder. The last name is kept: what it may be a link to has
// another one.
std::string SeenFrom(const std::string& folder, const std::string& path) {
  if (path.empty() || fs::path(path).is_absolute()) return path;
  std::error_code error;
  const fs::path parent = fs::weakly_canonical(fs::absolute(ParentFolder(path)), error);
  const fs::path relative =
      parent.lexically_relative(fs::weakly_canonical(fs::absolute(folder), error));
  return (relative / fs::path(path).filename()).lexically_normal().string();
}

Ordered Lines(const std::string& text) {
  Ordered lines = Ordered::array();
  for (const absl::string_view line : absl::StrSplit(text, '\n')) lines.push_back(line);
  return lines;
}

absl::StatusOr<Ordered> InputOf(const PlanAccess::State& state) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string weights, WeightsFingerprint(state.model));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string ranges, FileFingerprint(state.options.ranges));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string calibration,
                             FileFingerprint(state.options.calibration));
  return Ordered{{"bytes", state.report.input_bytes},
                 {"weights", weights},
                 {"ranges", ranges},
                 {"calibration", calibration}};
}

// All but the paths.
absl::StatusOr<Ordered> ContentOf(const PlanAccess::State& state,
                                  const std::string& policy_choice) {
  ONNXQUANT_ASSIGN_OR_RETURN(Ordered input, InputOf(state));
  ONNXQUANT_ASSIGN_OR_RETURN(Ordered layout, LayoutRows(state));
  std::vector<std::string> dtypes;
  for (const OutputReport& output : state.report.outputs) dtypes.push_back(output.dtype);
  return Ordered{{kKey, kVersion},
                 {"made_by", ONNXQUANT_VERSION},
                 {"policy",
                  {{"name", state.policy.file},
                   {"chosen_because", policy_choice},
                   {"text", Lines(state.policy.yaml)},
                   {"rules", state.options.rules},
                   {"targets", state.options.targets},
                   {"io", state.options.io},
                   {"dtypes", dtypes},
                   {"max_shard", state.options.max_shard},
                   {"max_growth", state.options.max_growth},
                   {"update_config", state.options.update_config}}},
                 {"input", std::move(input)},
                 {"outputs", std::move(layout)}};
}

// Names may be no UTF-8: what a file can hold of them.
json AsRead(const Ordered& content) {
  return json::parse(content.dump(-1, ' ', false, Ordered::error_handler_t::replace));
}

std::string IdOf(const json& content) {
  return Sha256Of(content.dump(-1, ' ', false, json::error_handler_t::replace));
}

// Reads members by name and notes the first that is not as it should be.
class Reader {
 public:
  Reader(const json& content, std::string path) : content_(content), path_(std::move(path)) {}

  template <typename Value>
  Value Get(const char* object, const char* key, bool (json::*is)() const noexcept,
            const char* expected) {
    const auto outer = content_.find(object);
    if (outer == content_.end() || !outer->is_object()) {
      return Fail<Value>(object, "an object");
    }
    const auto member = outer->find(key);
    if (member == outer->end() || !((*member).*is)()) {
      return Fail<Value>(absl::StrCat(object, ".", key), expected);
    }
    return member->template get<Value>();
  }

  std::string Text(const char* object, const char* key) {
    return Get<std::string>(object, key, &json::is_string, "a string");
  }

  std::vector<std::string> Texts(const char* object, const char* key) {
    std::vector<std::string> texts;
    for (const json& text : Get<json>(object, key, &json::is_array, "a list of strings")) {
      if (!text.is_string()) {
        return Fail<std::vector<std::string>>(absl::StrCat(object, ".", key), "a list of strings");
      }
      texts.push_back(text.get<std::string>());
    }
    return texts;
  }

  const absl::Status& status() const { return status_; }

 private:
  template <typename Value>
  Value Fail(const std::string& place, const char* expected) {
    if (status_.ok()) status_ = UsageError(path_, ": ", place, ": expected ", expected, kAnew);
    return Value();
  }

  const json& content_;
  std::string path_;
  absl::Status status_;
};

// A relative path is seen from the manifest.
std::string SeenBy(const std::string& manifest, const std::string& path) {
  if (path.empty()) return path;
  return (fs::path(ParentFolder(manifest)) / path).lexically_normal().string();
}

}  // namespace

absl::StatusOr<std::string> ManifestText(const PlanAccess::State& state, const std::string& path) {
  if (!state.model.from_file()) {
    return UsageError(path, ": a manifest is for other processes, and ", state.model.path(),
                      " is in this one's memory; save the model, and plan from its file");
  }
  const std::string folder = ParentFolder(path);
  Ordered page{{kKey, kVersion},
               {"paths",
                {{"model", SeenFrom(folder, state.model.path())},
                 {"output", SeenFrom(folder, state.options.output)},
                 {"staging", absl::StrCat(fs::path(path).stem().string(), ".parts")},
                 {"ranges", SeenFrom(folder, state.options.ranges)},
                 {"calibration", SeenFrom(folder, state.options.calibration)}}}};
  ONNXQUANT_ASSIGN_OR_RETURN(const Ordered content, ContentOf(state, state.report.policy_choice));
  page.update(content);
  std::string text = ToPage(page);
  if (text.size() > static_cast<std::size_t>(limits::kManifestBytes)) {
    return UsageError(path, ": would have ", text.size(), " bytes, expected at most ",
                      limits::kManifestBytes);
  }
  return text;
}

absl::StatusOr<Manifest> ReadManifest(const std::string& path) {
  const TextRule rule = {.kind = ErrorKind::kUsage,
                         .what = "the manifest",
                         .remedy = "; 'onnxquant plan --manifest FILE' makes one",
                         .largest = limits::kManifestBytes};
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text, ReadText(path, rule));
  ONNXQUANT_ASSIGN_OR_RETURN(json content, ParseJson(text, path, {}));
  if (!content.is_object() || !content.contains(kKey)) {
    return UsageError(path, ": is no manifest: it has no '", kKey, "'", rule.remedy);
  }
  if (content[kKey] != kVersion || content.value("made_by", json()) != ONNXQUANT_VERSION) {
    return UsageError(path, ": was made by onnxquant ", content.value("made_by", json()).dump(),
                      " (manifest ", content[kKey].dump(), "), and this is onnxquant ",
                      ONNXQUANT_VERSION, " (manifest ", kVersion,
                      "), which may write other bytes: use that version, or make it anew with "
                      "'onnxquant plan --manifest'");
  }
  Manifest manifest;
  manifest.path = path;
  Reader read(content, path);
  manifest.model = SeenBy(path, read.Text("paths", "model"));
  manifest.staging = read.Text("paths", "staging");
  PlanOptions& options = manifest.options;
  options.output = SeenBy(path, read.Text("paths", "output"));
  options.ranges = SeenBy(path, read.Text("paths", "ranges"));
  options.calibration = SeenBy(path, read.Text("paths", "calibration"));
  options.policy = read.Text("policy", "name");
  options.policy_yaml = absl::StrJoin(read.Texts("policy", "text"), "\n");
  options.rules = read.Texts("policy", "rules");
  options.targets = read.Texts("policy", "targets");
  options.io = read.Text("policy", "io");
  options.dtypes = read.Texts("policy", "dtypes");
  options.max_shard =
      read.Get<std::uint64_t>("policy", "max_shard", &json::is_number_unsigned, "a size in bytes");
  options.max_growth = read.Get<double>("policy", "max_growth", &json::is_number, "a number");
  options.update_config =
      read.Get<bool>("policy", "update_config", &json::is_boolean, "true or false");
  options.list_nodes = false;
  manifest.policy_choice = read.Text("policy", "chosen_because");
  ONNXQUANT_RETURN_IF_ERROR(read.status());
  if (manifest.staging.empty() || manifest.staging == "." || manifest.staging == ".." ||
      fs::path(manifest.staging).filename() != manifest.staging) {
    return UsageError(path, ": paths.staging: '", manifest.staging,
                      "' is no plain name; expected that of a folder in the outputs' folder");
  }
  if (manifest.model.empty() || options.policy_yaml.empty() || options.dtypes.empty()) {
    return UsageError(path, ": paths.model, policy.text and policy.dtypes may not be empty", kAnew);
  }
  content.erase("paths");
  manifest.id = IdOf(content);
  manifest.content = std::move(content);
  return manifest;
}

absl::Status CheckSamePlan(const Manifest& manifest, const PlanAccess::State& state) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Ordered made, ContentOf(state, manifest.policy_choice));
  const json expected = AsRead(made);
  const json& found = manifest.content;
  const json& input = found.value("input", json());
  const auto differs = [&](const char* key) {
    return !input.is_object() || input.value(key, json()) != expected["input"][key];
  };
  if (differs("bytes") || differs("weights")) {
    return ModelError(manifest.model, ": is not the model that ", manifest.path,
                      " was made of: its size, or its weights, are others; bring that model back, "
                      "or make the manifest anew with 'onnxquant plan --manifest'");
  }
  const std::optional<Difference> difference = FirstDifference(found, expected);
  if (!difference.has_value()) return absl::OkStatus();
  return UsageError(manifest.path, ": ", difference->place, " is ", difference->found,
                    ", and what its policy makes of ", manifest.model, " is ", difference->expected,
                    ": only paths can be edited, and the model must stay as it is; make the "
                    "manifest anew with 'onnxquant plan --manifest'");
}

}  // namespace onnxquant
