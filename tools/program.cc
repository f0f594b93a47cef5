#include "tools/program.h"

#include <cstdio>
#include <exception>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/simulate/simulated_provider.h"
#include "onnxquant/error.h"
#include "tools/command_line.h"
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

int ParseAndRun(int argc, const char* const* argv, const RunnerFactory& factory) {
  const Parsed parsed = ParseCommandLine(argc, argv);
  if (parsed.leave_with) return *parsed.leave_with;
  Surroundings surroundings;
  surroundings.app = parsed.app.get();
  surroundings.verbosity = parsed.verbosity;
  surroundings.cancelled = CatchInterrupts();
  if (!surroundings.quiet()) {
    surroundings.notice = [](const std::string& sentence) {
      std::fprintf(stderr, "%s\n", sentence.c_str());
    };
  }
  surroundings.factory = WithSimulatedProvider(factory);
  const absl::Status status = parsed.command->Run(surroundings);
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
