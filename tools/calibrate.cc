#include "lib/calibrate/calibrate_file.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/measure.h"
#include "tools/print.h"
#include "tools/progress.h"

namespace onnxquant::cli {
namespace {

using Align = Table::Align;

void PrintWarnings(const Arguments& arguments, const std::vector<std::string>& warnings) {
  if (arguments.verbosity == Verbosity::kQuiet) return;
  for (const std::string& warning : warnings) PrintError("warning: %s\n", warning);
}

void PrintReport(const Arguments& arguments, const CalibrationReport& report) {
  if (arguments.json) return PrintText(ToJson(report));
  if (arguments.verbosity == Verbosity::kQuiet) return;
  if (arguments.verbosity == Verbosity::kVerbose) {
    Table table({{"value"}, {"elements", Align::kRight}, {"rows", Align::kRight}});
    for (const MomentsInfo& value : report.values) {
      table.AddRow({value.value, absl::StrCat(value.size), WithSeparators(value.count)});
    }
    PrintText(table.ToString() + "\n");
  }
  Print("%s: statistics of %zu values from %s tokens, %s\n", report.output, report.values.size(),
        report.metadata.at("tokens"), HumanBytes(report.bytes));
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
  const SingleOutput output{
      .path = arguments.report,
      .force = arguments.measure.force,
      .waiting = {.cancelled = arguments.apply.cancelled, .notice = arguments.apply.notice}};
  if (!arguments.calibrate.merge.empty()) {
    ONNXQUANT_ASSIGN_OR_RETURN(const CalibrationReport merged,
                               MergeToFile(arguments.calibrate.merge, output));
    PrintReport(arguments, merged);
    return absl::OkStatus();
  }
  ONNXQUANT_ASSIGN_OR_RETURN(CalibrationOptions options, OptionsOf(arguments));
  Progress progress(arguments.verbosity != Verbosity::kQuiet, Progress::Unit::kTokens);
  options.progress = [&](std::uint64_t done, std::uint64_t total) { progress.Update(done, total); };
  const absl::StatusOr<CalibrationReport> made = CalibrateToFile(
      options, output, [&](const CalibrationPlan& plan) { PrintUnobserved(arguments, plan); });
  progress.Finish();
  if (!made.ok()) return made.status();
  PrintWarnings(arguments, made->warnings);
  PrintReport(arguments, *made);
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
