#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/completion.h"

namespace onnxquant::cli {
namespace {

constexpr char kBegin[] =
    R"(# Completion for onnxquant. In ~/.config/fish/config.fish:  onnxquant completion fish | source
complete -c onnxquant -f
complete -c onnxquant -n 'not __fish_seen_subcommand_from policies completion' -a '(__fish_complete_path (commandline -ct) | string match -r "^.*(?:\.onnx|/)(?:\t.*)?\$")'
)";

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string ActionOf(OptionValue value, const std::string& policies) {
  switch (value) {
    case OptionValue::kPolicy:
      return absl::StrCat(" -r -F -a ", Quoted(policies));
    case OptionValue::kFolder:
      return " -x -a '(__fish_complete_directories)'";
    case OptionValue::kFile:
      return " -r -F";
    case OptionValue::kNone:
      break;
  }
  return "";
}

}  // namespace

std::string FishScript(const Completion& completion) {
  std::vector<std::string> names;
  for (const CompletedCommand& command : completion.commands) {
    if (!command.name.empty()) names.push_back(command.name);
  }
  const std::string all = absl::StrJoin(names, " ");
  const std::string policies = absl::StrJoin(completion.policies, " ");
  std::string script = kBegin;
  for (const CompletedCommand& command : completion.commands) {
    const std::string seen = command.name.empty()
                                 ? absl::StrCat("not __fish_seen_subcommand_from ", all)
                                 : absl::StrCat("__fish_seen_subcommand_from ", command.name);
    if (!command.name.empty()) {
      absl::StrAppend(&script, "complete -c onnxquant -n 'not __fish_seen_subcommand_from ", all,
                      "' -a ", command.name, " -d ", Quoted(command.help), "\n");
    }
    for (const CompletedOption& option : command.options) {
      absl::StrAppend(&script, "complete -c onnxquant -n '", seen, "'");
      for (const std::string& name : option.names) {
        const bool is_long = name.rfind("--", 0) == 0;
        absl::StrAppend(&script, is_long ? " -l " : " -s ", name.substr(is_long ? 2 : 1));
      }
      absl::StrAppend(&script, ActionOf(option.value, policies), " -d ", Quoted(option.help), "\n");
    }
  }
  absl::StrAppend(&script, "complete -c onnxquant -n '__fish_seen_subcommand_from policies' -a ",
                  Quoted(policies), "\n",
                  "complete -c onnxquant -n '__fish_seen_subcommand_from completion' -a ",
                  "'bash zsh fish'\n");
  return script;
}

}  // namespace onnxquant::cli
