#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/completion.h"

namespace onnxquant::cli {
namespace {

constexpr char kScript[] =
    R"(# Completion for onnxquant. In ~/.bashrc:  source <(onnxquant completion bash)
_onnxquant() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case $word in
      @COMMANDS@) command=$word; break ;;
    esac
  done
  compopt -o filenames 2>/dev/null
  case $command:$previous in
    @POLICY@) COMPREPLY=($(compgen -W '@POLICIES@' -f -- "$current")); return ;;
    @FOLDER@) COMPREPLY=($(compgen -d -- "$current")); return ;;
    @FILE@) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [[ $current == -* ]]; then
    local options
    case $command in
@OPTIONS@    esac
    COMPREPLY=($(compgen -W "$options" -- "$current"))
    return
  fi
  if [[ $command == policies ]]; then COMPREPLY=($(compgen -W '@POLICIES@' -- "$current")); return; fi
  if [[ $command == completion ]]; then COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current")); return; fi
  COMPREPLY=($(compgen -f -X '!*.onnx' -- "$current") $(compgen -d -- "$current"))
  if [[ -z $command ]]; then COMPREPLY+=($(compgen -W '@SUBCOMMANDS@' -- "$current")); fi
}
complete -F _onnxquant onnxquant
)";

}  // namespace

std::string BashScript(const Completion& completion) {
  std::vector<std::string> commands;
  std::set<std::string> places[4];  // by OptionValue: "plan:--policy"
  std::string cases;
  for (const CompletedCommand& command : completion.commands) {
    if (!command.name.empty()) commands.push_back(command.name);
    std::vector<std::string> names;
    for (const CompletedOption& option : command.options) {
      for (const std::string& name : option.names) {
        names.push_back(name);
        places[static_cast<int>(option.value)].insert(absl::StrCat(command.name, ":", name));
      }
    }
    absl::StrAppend(&cases, "      ", command.name.empty() ? "*" : command.name, ") options='",
                    absl::StrJoin(names, " "), "' ;;\n");
  }
  const auto of = [&places](OptionValue value) {
    return absl::StrJoin(places[static_cast<int>(value)], "|");
  };
  return absl::StrReplaceAll(kScript, {{"@COMMANDS@", absl::StrJoin(commands, "|")},
                                       {"@SUBCOMMANDS@", absl::StrJoin(commands, " ")},
                                       {"@POLICIES@", absl::StrJoin(completion.policies, " ")},
                                       {"@POLICY@", of(OptionValue::kPolicy)},
                                       {"@FOLDER@", of(OptionValue::kFolder)},
                                       {"@FILE@", of(OptionValue::kFile)},
                                       {"@OPTIONS@", cases}});
}

}  // namespace onnxquant::cli
