#include "tools/completion.h"

#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "lib/policy/policy_yaml.h"
#include "tools/commands.h"
#include "tools/print.h"

namespace onnxquant::cli {
namespace {

constexpr char kScript[] =
    R"(# Completion for onnxquant. In ~/.bashrc:  source <(onnxquant completion)
_onnxquant() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case $word in
      @COMMANDS@) command=$word; break ;;
    esac
  done
  compopt -o filenames 2>/dev/null
  case $previous in
    -p|--policy) COMPREPLY=($(compgen -W '@POLICIES@' -f -- "$current")); return ;;
    -o|--output)
      if [[ $command == ranges || $command == calibrate ]]; then
        COMPREPLY=($(compgen -f -- "$current"))
      else
        COMPREPLY=($(compgen -d -- "$current"))
      fi
      return ;;
    @VALUES@) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [[ $current == -* ]]; then
    local options
    case $command in
@OPTIONS@    esac
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  COMPREPLY=($(compgen -f -X '!*.onnx' -- "$current") $(compgen -d -- "$current"))
  if [[ -z $command ]]; then COMPREPLY+=($(compgen -W '@SUBCOMMANDS@' -- "$current")); fi
  if [[ $command == policies ]]; then COMPREPLY=($(compgen -W '@POLICIES@' -- "$current")); fi
}
complete -F _onnxquant onnxquant
)";

// "-p", "--policy"
std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

class CompletionCommand final : public Command {
 public:
  void AddOptions(CLI::App& /*app*/) override {}
  absl::Status Run(const Surroundings& surroundings) const override;
};

absl::Status CompletionCommand::Run(const Surroundings& surroundings) const {
  std::vector<std::string> policies;
  for (const BuiltinPolicy& builtin : BuiltinPolicies()) policies.emplace_back(builtin.name);
  PrintText(BashCompletion(*surroundings.app, policies));
  return absl::OkStatus();
}

}  // namespace

std::string BashCompletion(const CLI::App& app, const std::vector<std::string>& policies) {
  std::vector<std::string> commands;
  std::set<std::string> values;  // options whose value is anything else
  std::string cases;
  const auto add = [&](const CLI::App& command, const std::string& name) {
    std::vector<std::string> options;
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& spelling : NamesOf(*option)) {
        options.push_back(spelling);
        const bool own = spelling == "-p" || spelling == "--policy" || spelling == "-o" ||
                         spelling == "--output";
        if (option->get_items_expected_max() > 0 && !own) values.insert(spelling);
      }
    }
    absl::StrAppend(&cases, "      ", name, ") options='", absl::StrJoin(options, " "), "' ;;\n");
  };
  for (const CLI::App* command : app.get_subcommands({})) {
    commands.push_back(command->get_name());
    add(*command, command->get_name());
  }
  add(app, "*");
  return absl::StrReplaceAll(kScript, {{"@COMMANDS@", absl::StrJoin(commands, "|")},
                                       {"@SUBCOMMANDS@", absl::StrJoin(commands, " ")},
                                       {"@POLICIES@", absl::StrJoin(policies, " ")},
                                       {"@VALUES@", absl::StrJoin(values, "|")},
                                       {"@OPTIONS@", cases}});
}

std::unique_ptr<Command> NewCompletion() {
  return std::make_unique<CompletionCommand>();
}

}  // namespace onnxquant::cli
