#include "lib/calibrate/calibrate.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/files/folder.h"
#include "lib/files/output_files.h"
#include "lib/report/table.h"
#include "lib/statistics/calibration_file.h"
#include "lib/statistics/merge.h"
#include "tools/commands.h"
#include "tools/input_files.h"
#include "tools/measure.h"
#include "tools/print.h"
#include "tools/progress.h"

namespace onnxquant::cli {
namespace {

using Json = nlohmann::json;
using Align = Table::Align;

// With its space reserved, so that what would stop the run at its end stops it at its start.
absl::StatusOr<OutputFiles> OpenOutput(const Arguments& arguments,
                                       const std::vector<std::string>& inputs,
                                       std::uint64_t bytes) {
  const Waiting waiting{.cancelled = arguments.apply.cancelled, .notice = arguments.apply.notice};
  ONNXQUANT_ASSIGN_OR_RETURN(
      OutputFiles files,
      OutputFiles::Create(ParentFolder(arguments.report),
                          {.force = arguments.measure.force, .waiting = waiting, .option = "-o"}));
  for (const std::string& input : inputs) files.Protect(input);
  const std::string name = std::filesystem::path(arguments.report).filename().string();
  ONNXQUANT_RETURN_IF_ERROR(files.Add(name, bytes).status());
  return files;
}

absl::Status WriteOutput(const Statistics& statistics, OutputFiles& files) {
  ONNXQUANT_RETURN_IF_ERROR(
      WriteCalibration(statistics, [&](std::uint64_t offset, absl::Span<const std::byte> bytes) {
        return files.WriteAt(0, offset, bytes);
      }));
  return files.Commit();
}

void PrintWarnings(const Arguments& arguments, const std::vector<std::string>& warnings) {
  if (arguments.verbosity == Verbosity::kQuiet) return;
  for (const std::string& warning : warnings) PrintError("warning: %s\n", warning);
}

Json ValuesJson(const Statistics& statistics, const std::vector<int>& layers) {
  Json values = Json::array();
  for (std::size_t i = 0; i < statistics.moments.size(); ++i) {
    const Moments& moments = statistics.moments[i];
    Json row = {{"name", moments.value}, {"size", moments.size}, {"rows", moments.count}};
    if (i < layers.size()) row["layer"] = layers[i] < 0 ? Json() : Json(layers[i]);
    values.push_back(std::move(row));
  }
  return values;
}

Json GradientsJson(const Statistics& statistics) {
  Json gradients = Json::array();
  for (const GradientMoments& one : statistics.gradients) {
    gradients.push_back({{"output", one.output},
                         {"lookup", one.lookup},
                         {"inputs", one.inputs},
                         {"outputs", one.outputs},
                         {"tokens", one.count}});
  }
  return gradients;
}

void PrintSummary(const Arguments& arguments, const Statistics& statistics, std::uint64_t bytes) {
  if (arguments.verbosity == Verbosity::kQuiet) return;
  if (arguments.verbosity == Verbosity::kVerbose) {
    Table table({{"value"}, {"elements", Align::kRight}, {"rows", Align::kRight}});
    for (const Moments& moments : statistics.moments) {
      table.AddRow({moments.value, absl::StrCat(moments.size), WithSeparators(moments.count)});
    }
    PrintText(table.ToString() + "\n");
  }
  Print("%s: statistics of %zu values from %s tokens, %s\n", arguments.report,
        statistics.moments.size(), statistics.metadata.at("tokens"), HumanBytes(bytes));
}

void PrintJson(const Json& json) {
  PrintText(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

absl::Status Merge(const Arguments& arguments) {
  std::vector<CalibrationFile> files;
  for (const std::string& path : arguments.calibrate.merge) {
    ONNXQUANT_ASSIGN_OR_RETURN(CalibrationFile file, CalibrationFile::Open(path));
    files.push_back(std::move(file));
  }
  const std::uint64_t bytes = CalibrationBytes(files.front().entries(), files.front().gradients());
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles output,
                             OpenOutput(arguments, arguments.calibrate.merge, bytes));
  ONNXQUANT_ASSIGN_OR_RETURN(const Statistics merged, MergeCalibrations(files));
  ONNXQUANT_RETURN_IF_ERROR(WriteOutput(merged, output));
  if (arguments.json) {
    PrintJson({{"output", arguments.report},
               {"merged", arguments.calibrate.merge},
               {"bytes", bytes},
               {"metadata", merged.metadata},
               {"values", ValuesJson(merged, {})},
               {"gradients", GradientsJson(merged)}});
  } else {
    PrintSummary(arguments, merged, bytes);
  }
  return absl::OkStatus();
}

void PrintUnobserved(const Arguments& arguments, const CalibrationPlan& plan) {
  constexpr std::size_t kShown = 5;
  if (arguments.verbosity == Verbosity::kQuiet) return;
  const std::size_t shown = arguments.verbosity == Verbosity::kVerbose
                                ? plan.others.size()
                                : std::min(kShown, plan.others.size());
  for (std::size_t i = 0; i < shown; ++i) {
    PrintError("not observed: %s: %s\n", plan.others[i].node, plan.others[i].reason);
  }
  if (shown < plan.others.size()) {
    PrintError("not observed: %zu more (-v shows them)\n", plan.others.size() - shown);
  }
}

absl::StatusOr<CalibrationOptions> OptionsOf(const Arguments& arguments) {
  const MeasureArguments& measure = arguments.measure;
  CalibrationOptions options;
  options.model = arguments.model;
  if (!measure.tokens.empty()) options.tokens = measure.tokens;
  options.count = measure.count;
  options.sequences = arguments.calibrate.sequences;
  options.length = arguments.calibrate.length;
  options.batch = arguments.calibrate.batch;
  options.gradients = arguments.calibrate.gradients;
  if (measure.memory > 0) options.memory = measure.memory;
  options.runner = RunnerOptionsOf(measure);
  options.factory = measure.factory;
  options.tool = absl::StrCat("onnxquant ", ONNXQUANT_VERSION);
  options.cancelled = CancelledOf(arguments);
  ONNXQUANT_ASSIGN_OR_RETURN(options.inputs, InputOptionsOf(measure));
  return options;
}

}  // namespace

absl::Status ShowCalibration(const Arguments& arguments) {
  if (!arguments.calibrate.merge.empty()) return Merge(arguments);
  const auto start = std::chrono::steady_clock::now();
  ONNXQUANT_ASSIGN_OR_RETURN(CalibrationOptions options, OptionsOf(arguments));
  ONNXQUANT_ASSIGN_OR_RETURN(const CalibrationPlan plan, PlanCalibration(options));
  std::vector<GradientInfo> gradients;
  for (const GradientPlan::Place& place : plan.gradients.places) gradients.push_back(place.info);
  const std::uint64_t bytes = CalibrationBytes(plan.values, gradients);
  const std::vector<std::string> inputs =
      FilesReadFor({arguments.model}, {arguments.measure.tokens});
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles output, OpenOutput(arguments, inputs, bytes));
  PrintUnobserved(arguments, plan);
  Progress progress(arguments.verbosity != Verbosity::kQuiet, Progress::Unit::kTokens);
  options.progress = [&](std::uint64_t done, std::uint64_t total) { progress.Update(done, total); };
  absl::StatusOr<Calibration> made = Calibrate(options, plan);
  progress.Finish();
  if (!made.ok()) return made.status();
  ONNXQUANT_RETURN_IF_ERROR(WriteOutput(made->statistics, output));
  PrintWarnings(arguments, made->warnings);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (!arguments.json) {
    PrintSummary(arguments, made->statistics, bytes);
    return absl::OkStatus();
  }
  Json others = Json::array();
  for (const Unobserved& other : plan.others) {
    others.push_back({{"node", other.node}, {"reason", other.reason}});
  }
  PrintJson({{"model", arguments.model},
             {"output", arguments.report},
             {"bytes", bytes},
             {"passes", plan.passes.size()},
             {"seconds", seconds.count()},
             {"metadata", made->statistics.metadata},
             {"values", ValuesJson(made->statistics, plan.layers)},
             {"gradients", GradientsJson(made->statistics)},
             {"not_observed", std::move(others)},
             {"warnings", made->warnings}});
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
