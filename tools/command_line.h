// From the program's arguments to the command that they name.
#ifndef ONNXQUANT_TOOLS_COMMAND_LINE_H_
#define ONNXQUANT_TOOLS_COMMAND_LINE_H_

#include <memory>
#include <optional>

#include "tools/command.h"

namespace onnxquant::cli {

enum class ExitStatus : int {
  kDone = 0,
  kUsage = 1,
  kModel = 2,
  kPolicy = 3,
  kWrite = 4,
  kVerify = 5,
  kInternal = 70,      // EX_SOFTWARE of sysexits.h
  kInterrupted = 130,  // 128 + SIGINT, as shells report it
};

struct Parsed {
  std::shared_ptr<const CLI::App> app;
  std::unique_ptr<Command> command;  // its members are set
  Verbosity verbosity = Verbosity::kNormal;
  // In place of a command: the status to leave with after help, a version or a usage error was
  // printed.
  std::optional<int> leave_with;
};
Parsed ParseCommandLine(int argc, const char* const* argv);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMMAND_LINE_H_
