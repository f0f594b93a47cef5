// The table of commands.
#ifndef ONNXQUANT_TOOLS_COMMANDS_H_
#define ONNXQUANT_TOOLS_COMMANDS_H_

#include <memory>

#include "absl/types/span.h"
#include "tools/command.h"

namespace onnxquant::cli {

struct CommandRow {
  const char* name;
  const char* about;
  std::unique_ptr<Command> (*make)();
};

// In the order of --help. A new command is a row here, and a file of its own.
absl::Span<const CommandRow> Commands();

// What the program does where no command is named.
std::unique_ptr<Command> NewConvert();

std::unique_ptr<Command> NewPlan();
std::unique_ptr<Command> NewApply();
std::unique_ptr<Command> NewInspect();
std::unique_ptr<Command> NewCheck();
std::unique_ptr<Command> NewDiff();
std::unique_ptr<Command> NewRanges();
std::unique_ptr<Command> NewCalibrate();
std::unique_ptr<Command> NewTune();
std::unique_ptr<Command> NewVerify();
std::unique_ptr<Command> NewRecover();
std::unique_ptr<Command> NewPolicies();
std::unique_ptr<Command> NewFormats();
std::unique_ptr<Command> NewTargets();
std::unique_ptr<Command> NewCompletion();

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMMANDS_H_
