#include "lib/tune/cost_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "lib/files/system_call.h"
#include "lib/text/json_text.h"
#include "lib/text/read_text.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;
constexpr char kWhat[] = "the file of measured costs";

struct Line {
  CostKey key;
  MeasuredCost cost;
};

std::optional<Line> LineOf(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  Line line;
  const auto text = [&json](const char* name, std::string& to) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) return false;
    to = found->get<std::string>();
    return true;
  };
  const auto number = [&json](const char* name, double& to) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number()) return false;
    to = found->get<double>();
    return std::isfinite(to) && to >= 0;
  };
  if (!text("model", line.key.model) || !text("text", line.key.text) ||
      !text("weight", line.key.weight) || !text("format", line.key.format) ||
      !text("calibration", line.key.calibration) || !number("kl", line.cost.kl) ||
      !number("error", line.cost.error)) {
    return std::nullopt;
  }
  return line;
}

absl::Status WriteFailed(const std::string& path) {
  return WriteError(path, ": cannot be written: ", std::strerror(errno));
}

}  // namespace

absl::StatusOr<CostFile> CostFile::Open(const std::string& path) {
  CostFile file;
  file.path_ = path;
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error)) return file;
  ONNXQUANT_ASSIGN_OR_RETURN(const std::string text,
                             ReadText(path, {.what = kWhat,
                                             .remedy = "; --cache takes such a file, or a new name",
                                             .largest = limits::kCostBytes}));
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const absl::StatusOr<Json> json =
        ParseJson(lines[i], path, {.values = 64, .line = static_cast<int>(i) + 1});
    const std::optional<Line> line = json.ok() ? LineOf(*json) : std::nullopt;
    const bool cut_off = !json.ok() && lines[i].front() == '{';
    if (line) {
      file.costs_[line->key] = line->cost;
    } else if (!cut_off) {
      return UsageError(path, ":", i + 1, ": is no measured cost, which 'onnxquant tune --cache' ",
                        "writes one a line; give another file, or a new name");
    }
  }
  file.begins_line_ = text.empty() || text.back() == '\n';
  return file;
}

const MeasuredCost* CostFile::Find(const CostKey& key) const {
  const auto found = costs_.find(key);
  return found == costs_.end() ? nullptr : &found->second;
}

absl::Status CostFile::Add(const CostKey& key, const MeasuredCost& cost) {
  costs_[key] = cost;
  if (path_.empty()) return absl::OkStatus();
  const Json json = {{"model", key.model},
                     {"text", key.text},
                     {"weight", key.weight},
                     {"format", key.format},
                     {"calibration", key.calibration},
                     {"kl", cost.kl},
                     {"error", cost.error}};
  const std::string line = absl::StrCat(
      begins_line_ ? "" : "\n", json.dump(-1, ' ', false, Json::error_handler_t::replace), "\n");
  const Descriptor file(Retry(
      [this] { return open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666); }));
  if (!file.valid()) return WriteFailed(path_);
  const auto written = Retry([&] { return write(file.number(), line.data(), line.size()); });
  if (written < 0) return WriteFailed(path_);
  if (static_cast<std::size_t>(written) != line.size()) {
    begins_line_ = false;
    return WriteError(path_, ": only a part could be written: is the disk full?");
  }
  begins_line_ = true;
  return absl::OkStatus();
}

}  // namespace onnxquant
