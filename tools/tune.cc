#include "lib/tune/tune_file.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/measure.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

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

void PrintSummary(const Arguments& arguments, const TuneReport& report) {
  if (arguments.verbosity == Verbosity::kQuiet) return;
  const Tuning& tuning = report.tuning;
  if (arguments.tune.front) PrintFront(tuning);
  if (tuning.policy.empty()) return;
  PrintChoice(tuning);
  Print("%s: %s, %s bytes, predicted KL %s", report.output, tuning.dtype,
        WithSeparators(tuning.bytes), Kl(tuning.kl));
  if (report.measured_kl) Print(", measured on other text %s", Kl(*report.measured_kl));
  Print(" (before: %s bytes%s)\n", WithSeparators(tuning.base_bytes),
        tuning.base_kl ? absl::StrCat(", predicted ", Kl(*tuning.base_kl)) : "");
}

}  // namespace

absl::Status ShowTuning(const Arguments& arguments) {
  ONNXQUANT_ASSIGN_OR_RETURN(const TuneOptions options, OptionsOf(arguments));
  const SingleOutput output{
      .path = arguments.report,
      .force = arguments.measure.force,
      .waiting = {.cancelled = arguments.apply.cancelled, .notice = arguments.apply.notice}};
  ONNXQUANT_ASSIGN_OR_RETURN(const TuneReport report,
                             TuneToFile(options, output, arguments.tune.confirm));
  if (arguments.json) {
    PrintText(ToJson(report));
  } else {
    PrintSummary(arguments, report);
  }
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
