#include "onnxquant/sessions.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <system_error>

#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/policy/dtypes.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

// The dtypes whose weights are as good as any that could be had, the best first.
constexpr const char* kSources[] = {"", "fp32", "fp16", "bf16"};

std::vector<fs::path> ModelsIn(const fs::path& folder) {
  std::vector<fs::path> models;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".onnx") models.push_back(entry->path());
  }
  std::sort(models.begin(), models.end());
  return models;
}

absl::StatusOr<std::vector<fs::path>> ModelsOf(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return UsageError("'", folder, "' is no folder");
  }
  std::vector<fs::path> models = ModelsIn(fs::path(folder) / "onnx");
  if (models.empty()) models = ModelsIn(folder);
  if (!models.empty()) return models;
  return ModelError(folder,
                    ": no .onnx file is in it, nor in a subfolder 'onnx'; export the model first, "
                    "or name its file");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindModels(const std::string& folder) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<fs::path> models, ModelsOf(folder));
  return std::vector<std::string>(models.begin(), models.end());
}

absl::StatusOr<std::vector<Session>> FindSessions(const std::string& folder) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<fs::path> models, ModelsOf(folder));
  std::map<std::string, std::map<std::string, std::string>> files;  // by base and dtype
  for (const fs::path& model : models) {
    const FileStem stem = SplitSourceStem(model.stem().string());
    files[stem.base].emplace(stem.dtype, model.string());
  }
  std::vector<Session> sessions;
  for (const auto& base : files) {  // no structured binding: clang 14 captures none
    const std::map<std::string, std::string>& by_dtype = base.second;
    const auto* best = std::find_if(std::begin(kSources), std::end(kSources),
                                    [&](const char* one) { return by_dtype.contains(one); });
    if (best != std::end(kSources)) sessions.push_back({base.first, by_dtype.at(*best)});
  }
  if (!sessions.empty()) return sessions;
  std::vector<std::string> names;
  for (const fs::path& model : models) names.push_back(model.filename().string());
  return ModelError(folder, ": its files (", absl::StrJoin(names, ", "),
                    ") are all of fewer bits; add the float32 or float16 ones, or name one of "
                    "them to convert it nevertheless");
}

}  // namespace onnxquant
