#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/completion.h"

namespace onnxquant::cli {
namespace {

constexpr char kScript[] =
    R"(# Completion for onnxquant. In ~/.zshrc, after compinit:  source <(onnxquant completion zsh)
_onnxquant_policies() {
  local -a policies=(@POLICIES@)
  compadd -a policies
  _files -g '*.y(a|)ml(-.)'
}
_onnxquant_models() { _files -g '*.onnx(-.)' }
_onnxquant_first() {
  local -a commands=(
@COMMANDS@  )
  _describe -t commands command commands
  _onnxquant_models
}
_onnxquant() {
  local at
  for (( at = 2; at < CURRENT; ++at )); do
    case $words[at] in
      @NAMES@) break ;;
    esac
  done
  local command=
  if (( at < CURRENT )); then
    command=$words[at]
    shift $(( at - 1 )) words
    (( CURRENT -= at - 1 ))
  fi
  case $command in
@CASES@  esac
}
compdef _onnxquant onnxquant
)";

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// What a description may hold within brackets, or before a colon.
std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"\\", "\\\\"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}, {"\n", " "}});
}

const char* ActionOf(OptionValue value) {
  switch (value) {
    case OptionValue::kPolicy:
      return ":policy:_onnxquant_policies";
    case OptionValue::kFolder:
      return ":folder:_files -/";
    case OptionValue::kFile:
      return ":value:_files";
    case OptionValue::kNone:
      break;
  }
  return "";
}

// "'*--dtype[only these]:value:_files'", once for each of its names.
std::string SpecsOf(const CompletedOption& option) {
  std::string specs;
  for (const std::string& name : option.names) {
    absl::StrAppend(
        &specs, " \\\n        ",
        Quoted(absl::StrCat("*", name, "[", Escaped(option.help), "]", ActionOf(option.value))));
  }
  return specs;
}

const char* OperandsOf(const std::string& command) {
  if (command == "policies") return "'1:policy:_onnxquant_policies'";
  if (command == "completion") return "'1:shell:(bash zsh fish)'";
  if (command.empty()) return "'1: :_onnxquant_first' '*:model:_onnxquant_models'";
  return "'*:model:_onnxquant_models'";
}

}  // namespace

std::string ZshScript(const Completion& completion) {
  std::vector<std::string> names;
  std::string commands;
  std::string cases;
  for (const CompletedCommand& command : completion.commands) {
    if (!command.name.empty()) {
      names.push_back(command.name);
      absl::StrAppend(&commands, "    ",
                      Quoted(absl::StrCat(command.name, ":", Escaped(command.help))), "\n");
    }
    absl::StrAppend(&cases, "    ", command.name.empty() ? "*" : command.name,
                    ")\n      _arguments -s");
    for (const CompletedOption& option : command.options) cases += SpecsOf(option);
    absl::StrAppend(&cases, " \\\n        ", OperandsOf(command.name), "\n      ;;\n");
  }
  return absl::StrReplaceAll(kScript, {{"@POLICIES@", absl::StrJoin(completion.policies, " ")},
                                       {"@COMMANDS@", commands},
                                       {"@NAMES@", absl::StrJoin(names, "|")},
                                       {"@CASES@", cases}});
}

}  // namespace onnxquant::cli
