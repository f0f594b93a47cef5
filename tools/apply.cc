#include <CLI/CLI.hpp>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/error.h"
#include "lib/report/table.h"
#include "onnxquant/manifest.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/report_file.h"
#include "tools/result_table.h"

namespace onnxquant::cli {
namespace {

class ApplyCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  absl::Status RunPart(const PartOptions& options, Progress& progress,
                       const Surroundings& surroundings) const;
  absl::Status RunToTheEnd(const PartOptions& options, Progress& progress,
                           const Surroundings& surroundings) const;

  std::string manifest_;
  std::string part_;  // "3/8"; "": all
  bool finish_ = false;
  bool verify_ = false;
  bool force_ = false;
  std::string report_;
  int threads_ = ApplyOptions().threads;
  std::uint64_t memory_ = ApplyOptions().memory;
};

void ApplyCommand::AddOptions(CLI::App& app) {
  app.add_option("--manifest", manifest_, "the plan that 'onnxquant plan --manifest' saved")
      ->type_name("FILE")
      ->required();
  CLI::Option* part =
      app.add_option("--part", part_,
                     "make only the data files of this part, from 1 on, such as 3/8; parts may run "
                     "at once, on any machines, in any order and again")
          ->option_text("NUMBER/PARTS");
  app.add_flag("--finish", finish_,
               "check that all parts are done, and put all files in place (without --part and "
               "--finish: all parts, and this)")
      ->excludes(part);
  app.add_flag("--verify", verify_,
               "read what is done already, and compare its SHA-256 with its record");
  AddForce(app, force_, "replace existing outputs");
  AddThreadsAndMemory(app, threads_, memory_);
  AddReport(app, report_);
  AddVerbosity(app);
}

absl::Status ApplyCommand::RunPart(const PartOptions& options, Progress& progress,
                                   const Surroundings& surroundings) const {
  ONNXQUANT_ASSIGN_OR_RETURN(const Part part, ParsePart(part_));
  if (!report_.empty()) {
    return UsageError("--report is of the whole conversion: give it with --finish");
  }
  const absl::StatusOr<PartReport> report = ApplyPart(manifest_, part, options);
  progress.Finish();
  ONNXQUANT_RETURN_IF_ERROR(report.status());
  if (surroundings.quiet()) return absl::OkStatus();
  std::uint64_t bytes = 0;
  std::size_t done_before = 0;
  for (const PartFile& file : report->files) {
    bytes += file.bytes;
    done_before += file.was_done ? 1 : 0;
    Print("%s  %s%s\n", file.sha256, file.name, std::string(file.was_done ? "  (was done)" : ""));
  }
  if (report->files.empty()) {
    PrintError("part %d/%d has no data files: there are fewer than parts\n", part.number, part.of);
    return absl::OkStatus();
  }
  PrintError("part %d/%d: %d data files of %s in %s, %d of them done before; %s read, in %.1f s\n",
             part.number, part.of, report->files.size(), HumanBytes(bytes), report->staging,
             done_before, HumanBytes(report->bytes_read), report->seconds);
  return absl::OkStatus();
}

absl::Status ApplyCommand::RunToTheEnd(const PartOptions& options, Progress& progress,
                                       const Surroundings& surroundings) const {
  const absl::StatusOr<Report> report =
      finish_ ? FinishManifest(manifest_, options) : ApplyManifest(manifest_, options);
  progress.Finish();
  ONNXQUANT_RETURN_IF_ERROR(report.status());
  std::signal(SIGPIPE, SIG_DFL);  // all is written: now it may
  if (surroundings.quiet()) return absl::OkStatus();
  PrintText(ResultTable(*report));
  PrintText(LeftInFloat(*report, surroundings.verbosity));
  std::fflush(stdout);  // before what follows on stderr
  PrintText(Warnings(*report, surroundings.verbosity), stderr);
  PrintError("done in %.1f s\n", report->seconds);
  return absl::OkStatus();
}

absl::Status ApplyCommand::Run(const Surroundings& surroundings) const {
  // A reader that leaves (2>&1 | head -1) must not end the run half way.
  std::signal(SIGPIPE, SIG_IGN);
  HoldInterrupts();
  PartOptions options;
  options.verify = verify_;
  options.apply.force = force_;
  options.apply.threads = threads_;
  options.apply.memory = memory_;
  options.apply.cancelled = surroundings.cancelled;
  ConversionOptions conversion;
  conversion.report = report_;
  Report unknown;  // what is written is known once the plan is made; the set refuses then
  unknown.directory = ".";
  ONNXQUANT_ASSIGN_OR_RETURN(options.apply.texts, ReportTexts(conversion, unknown));
  Progress progress(!surroundings.quiet());
  options.apply.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.Update(done, total);
  };
  if (surroundings.notice) {
    options.apply.notice = [&progress, &say = surroundings.notice](const std::string& sentence) {
      progress.Finish();
      say(sentence);
    };
  }
  return part_.empty() ? RunToTheEnd(options, progress, surroundings)
                       : RunPart(options, progress, surroundings);
}

}  // namespace

std::unique_ptr<Command> NewApply() {
  return std::make_unique<ApplyCommand>();
}

}  // namespace onnxquant::cli
