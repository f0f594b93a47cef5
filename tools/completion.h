// What shells need to complete the command line.
#ifndef ONNXQUANT_TOOLS_COMPLETION_H_
#define ONNXQUANT_TOOLS_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace onnxquant::cli {

// What stands behind an option.
enum class OptionValue { kNone, kPolicy, kFolder, kFile };

struct CompletedOption {
  std::vector<std::string> names;  // "-p", "--policy"
  std::string help;
  OptionValue value = OptionValue::kNone;
};

struct CompletedCommand {
  std::string name;  // "" for the program without one
  std::string help;
  std::vector<CompletedOption> options;
};

// What there is to complete: the commands in their order, the program without one last.
struct Completion {
  std::vector<CompletedCommand> commands;
  std::vector<std::string> policies;
};

Completion CompletionOf(const CLI::App& app, const std::vector<std::string>& policies);

// Scripts that complete commands, their options, policies and the names of models; those of zsh and
// fish say what each is for.
std::string BashScript(const Completion& completion);
std::string ZshScript(const Completion& completion);
std::string FishScript(const Completion& completion);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMPLETION_H_
