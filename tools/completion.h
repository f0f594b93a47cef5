// What shells need to complete the command line.
#ifndef ONNXQUANT_TOOLS_COMPLETION_H_
#define ONNXQUANT_TOOLS_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace onnxquant::cli {

// A bash script that completes subcommands, their options, policies and the names of models. zsh
// reads it too, after `autoload -U bashcompinit && bashcompinit`.
std::string BashCompletion(const CLI::App& app, const std::vector<std::string>& policies);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_COMPLETION_H_
