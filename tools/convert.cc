#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/report/json.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/result_table.h"

namespace onnxquant::cli {
namespace {

absl::Status WriteReport(const std::string& path, const Report& report) {
  std::ofstream file(path, std::ios::trunc);
  file << ToJson(report);
  file.close();
  if (!file) return WriteError(path, ": the report could not be written");
  return absl::OkStatus();
}

}  // namespace

absl::Status Convert(const Arguments& arguments) {
  const bool quiet = arguments.verbosity == Verbosity::kQuiet;
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(arguments.model, arguments.plan));
  if (!quiet) {
    std::fprintf(stderr, "%s: %s; policy %s; writing %s to %s\n", arguments.model.c_str(),
                 HumanBytes(plan.report().input_bytes).c_str(), arguments.plan.policy.c_str(),
                 DtypeList(plan.report()).c_str(), plan.report().directory.c_str());
  }
  Progress progress(!quiet);
  ApplyOptions apply = arguments.apply;
  apply.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.Update(done, total);
  };
  absl::StatusOr<Report> report = ApplyPlan(plan, apply);
  progress.Finish();
  ONNXQUANT_RETURN_IF_ERROR(report.status());
  if (!quiet) {
    std::fputs(ResultTable(*report).c_str(), stdout);
    std::fflush(stdout);  // before what follows on stderr
    PrintWarnings(*report, arguments.verbosity);
    std::fprintf(stderr, "done in %.1f s\n", report->seconds);
  }
  if (!arguments.report.empty()) return WriteReport(arguments.report, *report);
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
