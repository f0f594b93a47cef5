#include "onnxquant/check.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/report/html.h"
#include "tools/check_run.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/print.h"
#include "tools/result_table.h"
#include "tools/text_file.h"

namespace onnxquant::cli {
namespace {

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
absl::Status Fix(const Arguments& arguments, const CheckResult& result) {
  if (result.command.empty()) {
    PrintError(
        "%s: %s\n", result.path,
        result.findings.empty() ? std::string("there is nothing to mend") : NoCommand(result));
    return Verdict(result, arguments.strict);
  }
  const bool quiet = arguments.verbosity == Verbosity::kQuiet;
  Arguments conversion = arguments;
  conversion.plan.policy = result.policy;
  conversion.plan.dtypes = {result.dtype};
  if (conversion.plan.output.empty()) {
    conversion.plan.output = (std::filesystem::path(result.path).parent_path() / "fixed").string();
  }
  if (!quiet) PrintError("mending %s with policy %s\n", result.path, result.policy);
  ONNXQUANT_ASSIGN_OR_RETURN(const Plan plan, MakePlan(conversion.model, conversion.plan));
  HoldInterrupts();
  ONNXQUANT_ASSIGN_OR_RETURN(const Report report, ApplyPlan(plan, conversion.apply));
  const std::string made =
      (std::filesystem::path(report.directory) / report.outputs.front().files.front().name)
          .string();
  // Ranges of the input's sums say nothing of an output that rounds otherwise.
  ONNXQUANT_ASSIGN_OR_RETURN(const CheckResult after,
                             CheckModel(made, {.target = result.target, .ranges = ""}));
  if (!quiet) PrintError("wrote %s\n", made);
  return Remaining(result, after, made, arguments.strict);
}

std::vector<std::string> ReportInputs(const Arguments& arguments) {
  if (arguments.report.empty()) return {};
  return FilesReadFor({arguments.model}, {arguments.plan.ranges, arguments.measure.tokens});
}

}  // namespace

absl::Status Check(const Arguments& arguments) {
  CheckOptions options;
  options.target = arguments.target;
  options.ranges = arguments.plan.ranges;
  const auto open_report = [&arguments] {
    return TextFile::Open(arguments.report, arguments.apply.force, arguments.apply,
                          ReportInputs(arguments), "--report");
  };
  HoldInterrupts();
  ONNXQUANT_RETURN_IF_ERROR(open_report().status());  // only tried, before the work begins
  ReleaseInterrupts();
  ONNXQUANT_ASSIGN_OR_RETURN(const CheckResult result, CheckModel(arguments.model, options));
  HoldInterrupts();
  std::vector<AloneResult> runs;
  if (arguments.run) {
    ONNXQUANT_ASSIGN_OR_RETURN(runs, RunChecked(arguments));
  }
  const std::string json = WithRuns(result, runs);
  if (arguments.json) {
    PrintText(json);
  } else if (arguments.verbosity != Verbosity::kQuiet) {
    PrintRuns(runs);
    PrintResult(result, arguments.verbosity == Verbosity::kVerbose);
  }
  std::fflush(stdout);  // before what follows on stderr
  ONNXQUANT_ASSIGN_OR_RETURN(TextFile report, open_report());
  ONNXQUANT_RETURN_IF_ERROR(
      report.Write(IsHtmlName(arguments.report)
                       ? ToHtml({.plan = "", .ranges = "", .verification = "", .check = json})
                       : json));
  ReleaseInterrupts();
  if (arguments.fix) return Fix(arguments, result);
  ONNXQUANT_RETURN_IF_ERROR(Verdict(result, arguments.strict));
  for (const AloneResult& run : runs) {
    if (run.passed()) continue;
    return MakeError(ErrorKind::kVerify, absl::StrCat(result.path, " on ", run.provider, ": ",
                                                      absl::StrJoin(run.failures, "; ")));
  }
  return absl::OkStatus();
}

}  // namespace onnxquant::cli
