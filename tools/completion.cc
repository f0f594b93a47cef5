#include "tools/completion.h"

#include <memory>

#include "absl/types/span.h"
#include "lib/base/error.h"
#include "lib/policy/policy_yaml.h"
#include "tools/commands.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

struct ShellRow {
  const char* name;
  std::string (*script)(const Completion& completion);
};

constexpr ShellRow kShells[] = {{"bash", BashScript}, {"zsh", ZshScript}, {"fish", FishScript}};

class CompletionCommand final : public Command {
 public:
  void AddOptions(CLI::App& app) override;
  absl::Status Run(const Surroundings& surroundings) const override;

 private:
  std::string shell_ = kShells[0].name;
};

void CompletionCommand::AddOptions(CLI::App& app) {
  std::vector<std::string> shells;
  for (const ShellRow& row : kShells) shells.emplace_back(row.name);
  app.add_option("shell", shell_, "which shell the script is for")
      ->option_text("bash|zsh|fish (bash)")
      ->check(CLI::IsMember(shells));
}

absl::Status CompletionCommand::Run(const Surroundings& surroundings) const {
  std::vector<std::string> policies;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) policies.emplace_back(builtin.name);
  for (const ShellRow& row : kShells) {
    if (shell_ == row.name) PrintText(row.script(CompletionOf(*surroundings.app, policies)));
  }
  return absl::OkStatus();
}

// Short names first, as help has them.
std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

// An output is a folder where a command writes several files.
OptionValue ValueOf(const CLI::Option& option, const std::string& command) {
  if (option.get_items_expected_max() == 0) return OptionValue::kNone;
  if (option.check_lname("policy")) return OptionValue::kPolicy;
  const bool one_file = command == "ranges" || command == "calibrate" || command == "tune";
  if (option.check_lname("output") && !one_file) return OptionValue::kFolder;
  return OptionValue::kFile;
}

CompletedCommand CommandOf(const CLI::App& app, const std::string& name) {
  CompletedCommand command{name, app.get_description(), {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) {
      command.options.push_back(
          {NamesOf(*option), option->get_description(), ValueOf(*option, name)});
    }
  }
  return command;
}

}  // namespace

Completion CompletionOf(const CLI::App& app, const std::vector<std::string>& policies) {
  Completion completion;
  completion.policies = policies;
  for (const CLI::App* command : app.get_subcommands({})) {
    completion.commands.push_back(CommandOf(*command, command->get_name()));
  }
  completion.commands.push_back(CommandOf(app, ""));
  return completion;
}

std::unique_ptr<Command> NewCompletion() {
  return std::make_unique<CompletionCommand>();
}

}  // namespace onnxquant::cli
