#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/policy/dtypes.h"
#include "lib/report/table.h"
#include "tools/commands.h"
#include "tools/folder.h"
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

// Writes what is planned, and tells of it. `last`: nothing is written after it.
absl::StatusOr<Report> Write(const Arguments& arguments, const Plan& plan, bool last) {
  const bool quiet = arguments.verbosity == Verbosity::kQuiet;
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
  if (report.ok() && last) std::signal(SIGPIPE, SIG_DFL);  // all is written: now it may
  if (!report.ok() || quiet) return report;
  PrintText(ResultTable(*report));
  PrintText(LeftInFloat(*report, arguments.verbosity));
  std::fflush(stdout);  // before what follows on stderr
  PrintWarnings(*report, arguments.verbosity);
  return report;
}

absl::StatusOr<Plan> PlanOf(const Arguments& arguments) {
  PlanOptions options = arguments.plan;
  options.list_nodes = !arguments.report.empty();
  return MakePlan(arguments.model, options);
}

// All models of a folder: nothing is written before all are planned.
absl::Status ConvertFolder(const Arguments& arguments) {
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<Arguments> sessions, ArgumentsOfSessions(arguments));
  std::vector<Plan> plans;
  for (const Arguments& session : sessions) {
    ONNXQUANT_ASSIGN_OR_RETURN(Plan plan, PlanOf(session));
    plans.push_back(std::move(plan));
  }
  HoldInterrupts();  // from here on there are files to clean up
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::size_t files = 0;
  double seconds = 0;
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    absl::StatusOr<Report> report = Write(sessions[i], plans[i], i + 1 == sessions.size());
    if (!report.ok()) {
      if (i > 0 && arguments.verbosity != Verbosity::kQuiet) {
        PrintError("%d of %d models had been converted before this\n", i, sessions.size());
      }
      return report.status();
    }
    input_bytes += report->input_bytes;
    seconds += report->seconds;
    for (const OutputReport& output : report->outputs) {
      for (const FileRow& file : output.files) output_bytes += file.bytes;
      files += output.files.size();
    }
  }
  if (arguments.verbosity != Verbosity::kQuiet) {
    PrintError("done: %d models of %s, %d files of %s, in %.1f s\n", sessions.size(),
               HumanBytes(input_bytes), files, HumanBytes(output_bytes), seconds);
  }
  return absl::OkStatus();
}

absl::Status ConvertFile(const Arguments& arguments) {
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, PlanOf(arguments));
  HoldInterrupts();  // from here on there are files to clean up
  ONNXQUANT_ASSIGN_OR_RETURN(const Report report, Write(arguments, plan, true));
  if (arguments.verbosity != Verbosity::kQuiet) PrintError("done in %.1f s\n", report.seconds);
  return absl::OkStatus();
}

}  // namespace

absl::Status Convert(const Arguments& arguments) {
  // A reader that leaves (2>&1 | head -1) must not end the run half way.
  std::signal(SIGPIPE, SIG_IGN);
  if (IsFolder(arguments)) return ConvertFolder(arguments);
  ONNXQUANT_RETURN_IF_ERROR(RefuseSessions(arguments));
  return ConvertFile(arguments);
}

}  // namespace onnxquant::cli
