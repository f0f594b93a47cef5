#include "lib/tune/tune.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/files/folder.h"
#include "lib/files/output_files.h"
#include "lib/report/table.h"
#include "lib/tune/confirm.h"
#include "tools/commands.h"
#include "tools/input_files.h"
#include "tools/measure.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

using Json = nlohmann::json;
using Align = Table::Align;

absl::StatusOr<TuneOptions> OptionsOf(const Arguments& arguments) {
  const MeasureArguments& measure = arguments.measure;
  TuneOptions options;
  options.model = arguments.model;
  options.plan = arguments.plan;
  options.formats = arguments.tune.formats;
  options.size = arguments.tune.size;
  options.max_kl = measure.max_kl;
  if (!measure.tokens.empty()) options.tokens = measure.tokens;
  if (measure.count > 0) options.count = measure.count;
  options.cache = arguments.tune.cache;
  options.measure = arguments.tune.measure;
  options.threads = arguments.apply.threads;
  options.memory = arguments.apply.memory;
  options.runner = RunnerOptionsOf(measure);
  options.factory = measure.factory;
  options.cancelled = arguments.apply.cancelled;
  options.progress = StepsOf(arguments);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(measure));
  return options;
}

// Its folder is looked at before anything is measured.
absl::StatusOr<OutputFiles> OpenOutput(const Arguments& arguments) {
  const Waiting waiting{.cancelled = arguments.apply.cancelled, .notice = arguments.apply.notice};
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OutputFiles::Create(ParentFolder(arguments.report),
                          {.force = arguments.measure.force, .waiting = waiting, .option = "-o"}));
  for (const std::string& input :
       FilesReadFor({arguments.model},
                    {arguments.measure.tokens, arguments.plan.calibration, arguments.plan.ranges,
                     arguments.plan.policy, arguments.tune.cache})) {
    files.Protect(input);
  }
  ONNXQUANT_RETURN_IF_ERROR(
      files.Add(std::filesystem::path(arguments.report).filename().string(), 0).status());
  return files;
}

std::string Kl(double kl) {
  return absl::StrFormat("%.4g", kl);
}

std::string Megabytes(std::uint64_t bytes) {
  return absl::StrFormat("%.1f", static_cast<double>(bytes) / 1e6);
}

// At most so many points, evenly spread in bytes.
std::vector<FrontPoint> Some(const std::vector<FrontPoint>& front) {
  constexpr std::size_t kShown = 24;
  std::vector<FrontPoint> some;
  if (front.empty()) return some;
  const double span = static_cast<double>(front.back().bytes - front.front().bytes);
  for (const FrontPoint& point : front) {
    const double next = static_cast<double>(front.front().bytes) +
                        span * static_cast<double>(some.size()) / (kShown - 1);
    if (static_cast<double>(point.bytes) >= next || &point == &front.back()) some.push_back(point);
  }
  return some;
}

void PrintFront(const Tuning& tuning) {
  Table table({{"MB", Align::kRight}, {"predicted KL", Align::kRight}});
  for (const FrontPoint& point : Some(tuning.front)) {
    table.AddRow({Megabytes(point.bytes), Kl(point.cost)});
  }
  PrintText(table.ToString() + "\n");
}

// How many weights of each role got which format.
void PrintChoice(const Tuning& tuning) {
  std::vector<std::string> roles;
  std::map<std::pair<std::string, std::string>, std::pair<int, double>> counts;
  for (const TunedWeight& weight : tuning.weights) {
    const std::string role = weight.role.empty() ? "-" : weight.role;
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
    auto& [count, cost] = counts[{role, ToString(*weight.set.weights)}];
    ++count;
    cost += weight.cost;
  }
  Table table(
      {{"role"}, {"stored as"}, {"weights", Align::kRight}, {"predicted KL", Align::kRight}});
  for (const std::string& role : roles) {
    for (const auto& [key, value] : counts) {
      if (key.first != role) continue;
      table.AddRow({role, key.second, absl::StrCat(value.first), Kl(value.second)});
    }
  }
  PrintText(table.ToString() + "\n");
}

Json FrontJson(const Tuning& tuning) {
  Json front = Json::array();
  for (const FrontPoint& point : tuning.front) {
    front.push_back({{"bytes", point.bytes}, {"kl", point.cost}});
  }
  return front;
}

Json ToJson(const Arguments& arguments, const Tuning& tuning, const std::optional<double>& measured,
            double seconds) {
  Json weights = Json::array();
  for (const TunedWeight& weight : tuning.weights) {
    weights.push_back({{"name", weight.name},
                       {"role", weight.role},
                       {"layer", weight.layer < 0 ? Json() : Json(weight.layer)},
                       {"format", ToString(*weight.set.weights)},
                       {"bytes", weight.bytes},
                       {"kl", weight.cost},
                       {"changed", !weight.base}});
  }
  return {{"model", arguments.model},
          {"output", arguments.report.empty() ? Json() : Json(arguments.report)},
          {"dtype", tuning.dtype},
          {"bytes", tuning.policy.empty() ? Json() : Json(tuning.bytes)},
          {"predicted_kl", tuning.policy.empty() ? Json() : Json(tuning.kl)},
          {"measured_kl", measured ? Json(*measured) : Json()},
          {"bytes_before", tuning.base_bytes},
          {"predicted_kl_before", tuning.base_kl ? Json(*tuning.base_kl) : Json()},
          {"tokens", tuning.positions},
          {"measured", tuning.measured},
          {"seconds", seconds},
          {"front", FrontJson(tuning)},
          {"weights", std::move(weights)}};
}

void PrintSummary(const Arguments& arguments, const Tuning& tuning,
                  const std::optional<double>& measured) {
  if (arguments.verbosity == Verbosity::kQuiet) return;
  if (arguments.tune.front) PrintFront(tuning);
  if (tuning.policy.empty()) return;
  PrintChoice(tuning);
  Print("%s: %s, %s bytes, predicted KL %s", arguments.report, tuning.dtype,
        WithSeparators(tuning.bytes), Kl(tuning.kl));
  if (measured) Print(", measured on other text %s", Kl(*measured));
  Print(" (before: %s bytes%s)\n", WithSeparators(tuning.base_bytes),
        tuning.base_kl ? absl::StrCat(", predicted ", Kl(*tuning.base_kl)) : "");
}

}  // namespace

absl::Status ShowTuning(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  ONNXQUANT_ASSIGN_OR_RETURN(const TuneOptions options, OptionsOf(arguments));
  std::optional<OutputFiles> output;
  if (!arguments.report.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles files, OpenOutput(arguments));
    output.emplace(std::move(files));
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const Tuning tuning, Tune(options));
  std::optional<double> measured;
  if (!tuning.policy.empty() && arguments.tune.confirm) {
    ONNXQUANT_ASSIGN_OR_RETURN(measured, Confirm(options, tuning));
  }
  if (output && !tuning.policy.empty()) {
    ONNXQUANT_RETURN_IF_ERROR(output->WriteAt(0, 0, AsBytes(tuning.policy)));
    ONNXQUANT_RETURN_IF_ERROR(output->Commit());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (arguments.json) {
    PrintText(ToJson(arguments, tuning, measured, seconds.count())
                  .dump(2, ' ', false, Json::error_handler_t::replace) +
              "\n");
  } else {
    PrintSummary(arguments, tuning, measured);
  }
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
