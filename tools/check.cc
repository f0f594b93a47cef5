#include "onnxquant/check.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/report/html.h"
#include "onnxquant/sessions.h"
#include "tools/check_run.h"
#include "tools/commands.h"
#include "tools/folder.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "tools/print.h"
#include "tools/result_table.h"
#include "tools/text_file.h"

namespace onnxquant::cli {
namespace {

class CheckCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  struct Checked {
    CheckResult result;
    std::vector<AloneResult> runs;  // none without --run
    std::string json;               // of both
  };
  absl::StatusOr<Checked> Look(const std::string& model, const Surroundings& surroundings) const;
  absl::Status Conclude(const Checked& checked, const Surroundings& surroundings) const;
  absl::Status RunFolder(const Surroundings& surroundings) const;
  absl::StatusOr<TextFile> OpenReport(const Surroundings& surroundings) const;
  absl::Status Fix(const CheckResult& result, const Surroundings& surroundings) const;

  std::string model_;
  CheckOptions options_;
  bool strict_ = false;  // warnings count
  bool fix_ = false;     // convert as the check recommends
  std::string output_;   // for that
  bool json_ = false;
  std::string report_;
  bool force_ = false;
  bool run_ = false;  // run the model, too
  ProviderOptions where_;
  RunOptions how_;
};

void CheckCommand::AddOptions(CLI::App& app) {
  AddModel(app, model_, true)->required();
  app.add_option(
         "--target", options_.target,
         "where the model shall run (see 'onnxquant targets'): webgpu, or cpu and wasm, which "
         "compute 16-bit graphs in float32")
      ->option_text("NAME[@VERSION] (webgpu)");
  app.add_option("--ranges", options_.ranges,
                 "measured ranges (JSON): they decide what the weights leave open")
      ->type_name("FILE");
  app.add_flag("--strict", strict_, "warnings make exit status 5, too");
  app.add_flag(
      "--fix", fix_,
      "convert the model as the check recommends; exit status 0 if what comes of it has no error");
  app.add_option("-o,--output", output_,
                 "folder for what --fix writes, or its file (default: 'fixed' beside MODEL)")
      ->type_name("DIR|NAME.onnx");
  AddJson(app, json_);
  AddReport(app, report_);
  AddForce(app, force_, "replace existing outputs and reports");
  app.add_flag("--run", run_,
               "run the model, too: does it load, give numbers, write more than one token?");
  where_.Add(app, "--run runs it");
  how_.Add(app);
  AddVerbosity(app);
  std::vector<std::string> kinds;
  for (const CheckKind& kind : CheckKinds()) {
    kinds.push_back(absl::StrCat("  ", kind.kind, ": ", kind.meaning));
  }
  app.footer("What is looked for:\n" + absl::StrJoin(kinds, "\n"));
}

std::string Count(std::size_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

void PrintFinding(const Finding& finding, bool all) {
  Print("%s: %s in ", NameOf(finding.severity), finding.kind);
  if (finding.count > 1) Print("%d places, the first is ", finding.count);
  Print("%s", finding.place);
  if (finding.layer >= 0) Print(" (layer %d)", finding.layer);
  Print("\n  %s\n  remedy: %s\n", finding.evidence, finding.remedy);
  if (all && finding.count > 1) {
    Print("  all: %s\n", absl::StrJoin(finding.places, ", "));
  }
  Print("\n");
}

std::string Facts(const CheckResult& result) {
  std::vector<std::string> facts;
  if (result.layers > 0) facts.push_back(Count(static_cast<std::size_t>(result.layers), "layer"));
  facts.push_back(result.half_type.empty() ? "nothing in 16 bits" : result.half_type);
  return absl::StrJoin(facts, ", ");
}

std::size_t Unmended(const CheckResult& result) {
  return static_cast<std::size_t>(std::count_if(result.findings.begin(), result.findings.end(),
                                                [](const Finding& one) { return !one.mended; }));
}

// Why no command is recommended though there are findings.
std::string NoCommand(const CheckResult& result) {
  const bool damaged = std::any_of(result.findings.begin(), result.findings.end(),
                                   [](const Finding& one) { return one.kind == "damaged_data"; });
  return damaged ? "no conversion mends damaged data: get them again, then check once more"
                 : "no conversion mends what was found: follow the remedies";
}

void PrintResult(const CheckResult& result, bool all) {
  for (const Finding& finding : result.findings) PrintFinding(finding, all);
  Print("%s (%s), on %s: ", result.path, Facts(result), result.target);
  if (result.findings.empty()) {
    Print("nothing wrong was found\n");
    return;
  }
  Print("%s, %s\n", Count(result.errors(), "error"), Count(result.warnings(), "warning"));
  if (result.command.empty()) {
    Print("%s\n", NoCommand(result));
    return;
  }
  Print("to mend it: %s\n", result.command);
  const std::size_t left = Unmended(result);
  if (left > 0) {
    Print("%zu of %s it does not mend: follow their remedies\n", left,
          Count(result.findings.size(), "finding"));
  }
}

bool Passes(const CheckResult& result, bool strict) {
  return strict ? result.findings.empty() : result.ok();
}

absl::Status Verdict(const CheckResult& result, bool strict) {
  if (Passes(result, strict)) return absl::OkStatus();
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat(result.path, ": ", Count(result.errors(), "error"), ", ",
                                Count(result.warnings(), "warning")));
}

// What the conversion has left: what is wrong with the file that it made, and what it could not
// mend, as a config.json is.
absl::Status Remaining(const CheckResult& before, const CheckResult& after, const std::string& made,
                       bool strict) {
  CheckResult left = after;
  for (const Finding& finding : before.findings) {
    const bool known =
        std::any_of(after.findings.begin(), after.findings.end(), [&finding](const Finding& other) {
          return other.kind == finding.kind &&
                 (other.place == finding.place || other.evidence == finding.evidence);
        });
    if (!finding.mended && !known) left.findings.push_back(finding);
  }
  if (left.findings.empty()) return absl::OkStatus();
  std::vector<std::string> kinds;
  for (const Finding& finding : left.findings) {
    kinds.push_back(finding.kind);
    PrintError("%s: still %s: %s: %s\n", made, NameOf(finding.severity), finding.kind,
               finding.evidence);
  }
  const std::string text = absl::StrCat(
      made, ": ", left.findings.size(), " of ", Count(before.findings.size(), "finding"),
      left.findings.size() == 1 ? " remains: " : " remain: ", absl::StrJoin(kinds, ", "));
  if (!Passes(left, strict)) return MakeError(ErrorKind::kVerify, text);
  PrintError("%s\n", text);
  return absl::OkStatus();
}

// Converts as the result says, and looks at what came of it.
absl::Status CheckCommand::Fix(const CheckResult& result, const Surroundings& surroundings) const {
  if (result.command.empty()) {
    PrintError(
        "%s: %s\n", result.path,
        result.findings.empty() ? std::string("there is nothing to mend") : NoCommand(result));
    return Verdict(result, strict_);
  }
  PlanOptions options;
  options.policy = result.policy;
  options.dtypes = {result.dtype};
  options.ranges = options_.ranges;
  options.output = output_;
  if (options.output.empty()) {
    options.output = (std::filesystem::path(result.path).parent_path() / "fixed").string();
  }
  ApplyOptions apply;
  apply.force = force_;
  apply.cancelled = surroundings.cancelled;
  apply.notice = surroundings.notice;
  if (!surroundings.quiet()) PrintError("mending %s with policy %s\n", result.path, result.policy);
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(result.path, options));
  HoldInterrupts();
  ONNXQUANT_ASSIGN_OR_RETURN(const Report report, ApplyPlan(plan, apply));
  const std::string made =
      (std::filesystem::path(report.directory) / report.outputs.front().files.front().name)
          .string();
  // Ranges of the input's sums say nothing of an output that rounds otherwise.
  ONNXQUANT_ASSIGN_OR_RETURN(const CheckResult after,
                             CheckModel(made, {.target = result.target, .ranges = ""}));
  if (!surroundings.quiet()) PrintError("wrote %s\n", made);
  return Remaining(result, after, made, strict_);
}

absl::StatusOr<TextFile> CheckCommand::OpenReport(const Surroundings& surroundings) const {
  std::vector<std::string> inputs;
  if (!report_.empty()) inputs = FilesReadFor({model_}, {options_.ranges, how_.tokens});
  return TextFile::Open(report_, force_, surroundings.waiting(), inputs, "--report");
}

absl::Status VerdictOfRuns(const std::string& model, absl::Span<const AloneResult> runs) {
  for (const AloneResult& run : runs) {
    if (run.passed()) continue;
    return MakeError(ErrorKind::kVerify, absl::StrCat(model, " on ", run.provider, ": ",
                                                      absl::StrJoin(run.failures, "; ")));
  }
  return absl::OkStatus();
}

// Interrupts are held when it has run the model.
absl::StatusOr<CheckCommand::Checked> CheckCommand::Look(const std::string& model,
                                                         const Surroundings& surroundings) const {
  Checked checked;
  ONNXQUANT_ASSIGN_OR_RETURN(checked.result, CheckModel(model, options_));
  HoldInterrupts();
  if (run_) {
    ONNXQUANT_ASSIGN_OR_RETURN(checked.runs, RunChecked(model, where_, how_, surroundings));
  }
  checked.json = WithRuns(checked.result, checked.runs);
  if (!json_ && !surroundings.quiet()) {
    PrintRuns(checked.runs);
    PrintResult(checked.result, surroundings.verbose());
  }
  return checked;
}

absl::Status CheckCommand::Conclude(const Checked& checked,
                                    const Surroundings& surroundings) const {
  if (fix_) return Fix(checked.result, surroundings);
  ONNXQUANT_RETURN_IF_ERROR(Verdict(checked.result, strict_));
  return VerdictOfRuns(checked.result.path, checked.runs);
}

// Each file of the folder, of whatever dtype: any of them may be loaded.
absl::Status CheckCommand::RunFolder(const Surroundings& surroundings) const {
  const char* of_one = !report_.empty() ? "--report" : !options_.ranges.empty() ? "--ranges" : "";
  ONNXQUANT_RETURN_IF_ERROR(RefuseWhatIsOfOne(model_, of_one));
  ONNXQUANT_ASSIGN_OR_RETURN(const std::vector<std::string> models, FindModels(model_));
  std::vector<std::string> failed;
  std::vector<std::string> documents;
  for (const std::string& model : models) {
    ONNXQUANT_ASSIGN_OR_RETURN(Checked checked, Look(model, surroundings));
    ReleaseInterrupts();
    std::fflush(stdout);  // before what follows on stderr
    documents.push_back(std::move(checked.json));
    if (fix_ && checked.result.findings.empty()) continue;
    const absl::Status status = Conclude(checked, surroundings);
    if (!status.ok() && KindOf(status) != ErrorKind::kVerify) return status;
    if (!status.ok()) failed.push_back(std::filesystem::path(model).filename().string());
  }
  if (json_) PrintJsonArray(documents);
  if (failed.empty()) return absl::OkStatus();
  std::fflush(stdout);
  return MakeError(ErrorKind::kVerify,
                   absl::StrCat(model_, ": ", failed.size(), " of ", Count(models.size(), "model"),
                                failed.size() == 1 ? " has" : " have",
                                " errors: ", absl::StrJoin(failed, ", ")));
}

absl::Status CheckCommand::Run(const Surroundings& surroundings) const {
  if (IsFolder(model_)) return RunFolder(surroundings);
  HoldInterrupts();
  ONNXQUANT_RETURN_IF_ERROR(
      OpenReport(surroundings).status());  // only tried, before the work begins
  ReleaseInterrupts();
  ONNXQUANT_ASSIGN_OR_RETURN(const Checked checked, Look(model_, surroundings));
  if (json_) PrintText(checked.json);
  std::fflush(stdout);  // before what follows on stderr
  ONNXQUANT_ASSIGN_OR_RETURN(TextFile report, OpenReport(surroundings));
  ONNXQUANT_RETURN_IF_ERROR(report.Write(
      IsHtmlName(report_)
          ? ToHtml({.plan = "", .ranges = "", .verification = "", .check = checked.json})
          : checked.json));
  ReleaseInterrupts();
  return Conclude(checked, surroundings);
}

}  // namespace

std::unique_ptr<Command> NewCheck() {
  return std::make_unique<CheckCommand>();
}

}  // namespace onnxquant::cli
