#include "tools/program.h"

#include <cstdio>
#include <exception>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/simulate/simulated_provider.h"
#include "onnxquant/error.h"
#include "tools/command_line.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

ExitStatus ExitStatusOf(const absl::Status& status) {
  if (status.ok()) return ExitStatus::kDone;
  switch (KindOf(status)) {
    case ErrorKind::kUsage:
      return ExitStatus::kUsage;
    case ErrorKind::kModel:
      return ExitStatus::kModel;
    case ErrorKind::kPolicy:
      return ExitStatus::kPolicy;
    case ErrorKind::kWrite:
      return ExitStatus::kWrite;
    case ErrorKind::kVerify:
      return ExitStatus::kVerify;
    case ErrorKind::kCancelled:
      return ExitStatus::kInterrupted;
    case ErrorKind::kInternal:
      break;
  }
  return ExitStatus::kInternal;
}

absl::Status Run(const Arguments& arguments) {
  switch (arguments.command) {
    case Command::kConvert:
      return Convert(arguments);
    case Command::kPlan:
      return ShowPlan(arguments);
    case Command::kInspect:
      return Inspect(arguments);
    case Command::kCheck:
      return Check(arguments);
    case Command::kDiff:
      return Diff(arguments);
    case Command::kRanges:
      HoldInterrupts();  // it polls
      return ShowRanges(arguments);
    case Command::kCalibrate:
      HoldInterrupts();  // it polls
      return ShowCalibration(arguments);
    case Command::kTune:
      HoldInterrupts();  // it polls
      return ShowTuning(arguments);
    case Command::kVerify:
      HoldInterrupts();  // it polls
      return Verify(arguments);
    case Command::kRecover:
      return ShowRecovery(arguments);
    case Command::kPolicies:
      return ShowPolicies(arguments);
    case Command::kFormats:
      return ShowFormats(arguments);
  }
  return absl::OkStatus();
}

int ParseAndRun(int argc, const char* const* argv, const RunnerFactory& factory) {
  Parsed parsed = ParseCommandLine(argc, argv);
  if (parsed.leave_with) return *parsed.leave_with;
  parsed.arguments.apply.cancelled = CatchInterrupts();
  if (parsed.arguments.verbosity != Verbosity::kQuiet) {
    parsed.arguments.apply.notice = [](const std::string& sentence) {
      std::fprintf(stderr, "%s\n", sentence.c_str());
    };
  }
  parsed.arguments.measure.factory = WithSimulatedProvider(factory);
  const absl::Status status = Run(parsed.arguments);
  if (!status.ok()) {
    PrintText(absl::StrCat("onnxquant: ", std::string(status.message()), "\n"), stderr);
  }
  // What did not fit into the buffer has been written, or has failed, before.
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && status.ok()) {
    PrintError("onnxquant: the result could not be printed\n");
    return static_cast<int>(ExitStatus::kWrite);
  }
  return static_cast<int>(ExitStatusOf(status));
}

}  // namespace

int RunProgram(int argc, const char* const* argv, const RunnerFactory& factory) {
  try {
    return ParseAndRun(argc, argv, factory);
  } catch (const std::exception& error) {  // out of memory, or a defect
    PrintError("onnxquant: %s\n", std::string(error.what()));
    return static_cast<int>(ExitStatus::kInternal);
  }
}

}  // namespace onnxquant::cli
