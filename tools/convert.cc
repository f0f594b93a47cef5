#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/policy/dtypes.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/report_file.h"
#include "tools/result_table.h"

namespace onnxquant::cli {
namespace {

namespace fs = std::filesystem;

// Of a file that is named for a dtype only that output is written: this says so.
const char* WhyOnlyOne(const Arguments& arguments, const std::string& dtype) {
  const std::string stem = fs::path(arguments.model).stem().string();
  const bool all = !arguments.plan.dtypes.empty() || SplitSourceStem(stem).dtype != dtype;
  return all ? "" : " (the dtype that MODEL is named for; --dtype asks for others)";
}

// The folder, or the one file that was named.
std::string Destination(const Arguments& arguments, const Report& plan) {
  const fs::path file = fs::path(plan.directory) / plan.outputs[0].files[0].name;
  const bool named = fs::path(arguments.plan.output).filename() == file.filename();
  return named ? file.string() : plan.directory;
}

}  // namespace

absl::Status Convert(const Arguments& arguments) {
  // A reader that leaves (2>&1 | head -1) must not end the run half way.
  std::signal(SIGPIPE, SIG_IGN);
  const bool quiet = arguments.verbosity == Verbosity::kQuiet;
  PlanOptions options = arguments.plan;
  options.list_nodes = !arguments.report.empty();
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(arguments.model, options));
  HoldInterrupts();  // from here on there are files to clean up
  ApplyOptions apply = arguments.apply;
  ONNXQUANT_ASSIGN_OR_RETURN(apply.texts, ReportTexts(arguments, plan.report()));
  if (!quiet) {
    const char* why = plan.report().outputs.size() == 1
                          ? WhyOnlyOne(arguments, plan.report().outputs[0].dtype)
                          : "";
    PrintError("%s: %s; policy %s; writing %s%s to %s\n", arguments.model,
               HumanBytes(plan.report().input_bytes), arguments.plan.policy,
               DtypeList(plan.report()), why, Destination(arguments, plan.report()));
  }
  Progress progress(!quiet);
  apply.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.Update(done, total);
  };
  if (apply.notice) {
    apply.notice = [&progress, &say = arguments.apply.notice](const std::string& sentence) {
      progress.Finish();
      say(sentence);
    };
  }
  absl::StatusOr<Report> report = ApplyPlan(plan, apply);
  progress.Finish();
  ONNXQUANT_RETURN_IF_ERROR(report.status());
  std::signal(SIGPIPE, SIG_DFL);  // all is written: now it may
  if (!quiet) {
    PrintText(ResultTable(*report));
    PrintText(LeftInFloat(*report, arguments.verbosity));
    std::fflush(stdout);  // before what follows on stderr
    PrintWarnings(*report, arguments.verbosity);
    PrintError("done in %.1f s\n", report->seconds);
  }
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
