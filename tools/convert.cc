#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
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
#include "tools/options.h"
#include "tools/own_statistics.h"
#include "tools/plan.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/report_file.h"
#include "tools/result_table.h"

namespace onnxquant::cli {
namespace {

namespace fs = std::filesystem;

class ConvertCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  std::string Missing() const override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  absl::StatusOr<Report> Write(const ConversionOptions& conversion, const Plan& plan, bool last,
                               const Surroundings& surroundings) const;
  absl::Status ConvertFile(const Surroundings& surroundings) const;
  absl::Status ConvertFolder(const Surroundings& surroundings) const;

  ConversionOptions conversion_;
  int threads_ = ApplyOptions().threads;
  std::uint64_t memory_ = ApplyOptions().memory;
  bool dry_run_ = false;
  std::string calibrate_;  // "": no statistics are made; "self", or a file of tokens
};

void ConvertCommand::AddOptions(CLI::App& app) {
  conversion_.Add(app);
  AddForce(app, conversion_.force, "replace existing outputs");
  AddThreadsAndMemory(app, threads_, memory_);
  AddReport(app, conversion_.report);
  AddVerbosity(app);
  CLI::Option* dry_run = app.add_flag("-n,--dry-run", dry_run_,
                                      "print the plan and write nothing, as 'onnxquant plan'");
  app.add_option(
         "--calibrate", calibrate_,
         "make statistics for method: gptq on the way, in minutes, and keep none: the model "
         "writes text ('self'), or reads the tokens of FILE")
      ->option_text("self|FILE")
      ->excludes("--calibration")
      ->excludes(dry_run);
}

// MODEL cannot be required: the names of commands may stand in its place.
std::string ConvertCommand::Missing() const {
  return conversion_.model.empty() ? "MODEL" : "";
}

// Of a file that is named for a dtype only that output is written: this says so.
const char* WhyOnlyOne(const ConversionOptions& conversion, const std::string& dtype) {
  const std::string stem = fs::path(conversion.model).stem().string();
  const bool all = !conversion.plan.dtypes.empty() || SplitSourceStem(stem).dtype != dtype;
  return all ? "" : " (the dtype that MODEL is named for; --dtype asks for others)";
}

// The folder, or the one file that was named.
std::string Destination(const ConversionOptions& conversion, const Report& plan) {
  const fs::path file = fs::path(plan.directory) / plan.outputs[0].files[0].name;
  const bool named = fs::path(conversion.plan.output).filename() == file.filename();
  return named ? file.string() : plan.directory;
}

// Writes what is planned, and tells of it. `last`: nothing is written after it.
absl::StatusOr<Report> ConvertCommand::Write(const ConversionOptions& conversion, const Plan& plan,
                                             bool last, const Surroundings& surroundings) const {
  ApplyOptions apply;
  apply.force = conversion.force;
  apply.threads = threads_;
  apply.memory = memory_;
  apply.cancelled = surroundings.cancelled;
  ONNXQUANT_ASSIGN_OR_RETURN(apply.texts, ReportTexts(conversion, plan.report()));
  if (!surroundings.quiet()) {
    const char* why = plan.report().outputs.size() == 1
                          ? WhyOnlyOne(conversion, plan.report().outputs[0].dtype)
                          : "";
    PrintError("%s: %s; policy %s; writing %s%s to %s\n", conversion.model,
               HumanBytes(plan.report().input_bytes),
               PolicyText(conversion.plan.policy, plan.report()), DtypeList(plan.report()), why,
               Destination(conversion, plan.report()));
  }
  Progress progress(!surroundings.quiet());
  apply.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.Update(done, total);
  };
  if (surroundings.notice) {
    apply.notice = [&progress, &say = surroundings.notice](const std::string& sentence) {
      progress.Finish();
      say(sentence);
    };
  }
  absl::StatusOr<Report> report = ApplyPlan(plan, apply);
  progress.Finish();
  if (report.ok() && last) std::signal(SIGPIPE, SIG_DFL);  // all is written: now it may
  if (!report.ok() || surroundings.quiet()) return report;
  PrintText(ResultTable(*report));
  PrintText(LeftInFloat(*report, surroundings.verbosity));
  std::fflush(stdout);  // before what follows on stderr
  PrintText(Warnings(*report, surroundings.verbosity), stderr);
  return report;
}

absl::StatusOr<Plan> PlanOf(const ConversionOptions& conversion) {
  PlanOptions options = conversion.plan;
  options.list_nodes = !conversion.report.empty();
  return MakePlan(conversion.model, options);
}

// All models of a folder: nothing is written before all are planned.
absl::Status ConvertCommand::ConvertFolder(const Surroundings& surroundings) const {
  ONNXQUANT_ASSIGN_OR_RETURN(
      const std::vector<ConversionOptions> sessions,
      ConversionsOf(conversion_, conversion_.report.empty() ? "" : "--report", surroundings));
  std::vector<Plan> plans;
  for (const ConversionOptions& session : sessions) {
    ONNXQUANT_ASSIGN_OR_RETURN(Plan plan, PlanOf(session));
    plans.push_back(std::move(plan));
  }
  HoldInterrupts();  // from here on there are files to clean up
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::size_t files = 0;
  double seconds = 0;
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    absl::StatusOr<Report> report =
        Write(sessions[i], plans[i], i + 1 == sessions.size(), surroundings);
    if (!report.ok()) {
      if (i > 0 && !surroundings.quiet()) {
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
  if (!surroundings.quiet()) {
    PrintError("done: %d models of %s, %d files of %s, in %.1f s\n", sessions.size(),
               HumanBytes(input_bytes), files, HumanBytes(output_bytes), seconds);
  }
  return absl::OkStatus();
}

// Whether any output has a weight whose codes statistics chose.
bool ReadsStatistics(const Report& plan) {
  for (const OutputReport& output : plan.outputs) {
    for (const TensorRow& tensor : output.tensors) {
      if (!tensor.statistic.empty()) return true;
    }
  }
  return false;
}

absl::Status ConvertCommand::ConvertFile(const Surroundings& surroundings) const {
  ConversionOptions conversion = conversion_;
  std::optional<OwnStatistics> statistics;
  if (!calibrate_.empty()) {
    HoldInterrupts();  // it polls
    ONNXQUANT_ASSIGN_OR_RETURN(OwnStatistics made,
                               OwnStatistics::Make(conversion.model, calibrate_, surroundings));
    statistics.emplace(std::move(made));
    conversion.plan.calibration = statistics->path();
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, PlanOf(conversion));
  if (statistics && !ReadsStatistics(plan.report()) && !surroundings.quiet()) {
    PrintError(
        "warning: --calibrate: nothing that policy %s writes is chosen by statistics; it "
        "needs method: gptq\n",
        PolicyText(conversion.plan.policy, plan.report()));
  }
  HoldInterrupts();  // from here on there are files to clean up
  ONNXQUANT_ASSIGN_OR_RETURN(const Report report, Write(conversion, plan, true, surroundings));
  if (!surroundings.quiet()) PrintError("done in %.1f s\n", report.seconds);
  return absl::OkStatus();
}

absl::Status ConvertCommand::Run(const Surroundings& surroundings) const {
  if (dry_run_) return ShowPlan(conversion_, {}, surroundings);
  // A reader that leaves (2>&1 | head -1) must not end the run half way.
  std::signal(SIGPIPE, SIG_IGN);
  if (IsFolder(conversion_.model)) {
    if (calibrate_.empty()) return ConvertFolder(surroundings);
    return UsageError(conversion_.model,
                      ": is a folder, and --calibrate runs one model; name the file");
  }
  ONNXQUANT_RETURN_IF_ERROR(RefuseSessions(conversion_));
  return ConvertFile(surroundings);
}

}  // namespace

std::unique_ptr<Command> NewConvert() {
  return std::make_unique<ConvertCommand>();
}

}  // namespace onnxquant::cli
