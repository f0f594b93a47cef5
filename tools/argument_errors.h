// What is told of arguments that do not fit.
#ifndef ONNXQUANT_TOOLS_ARGUMENT_ERRORS_H_
#define ONNXQUANT_TOOLS_ARGUMENT_ERRORS_H_

#include <CLI/CLI.hpp>
#include <string>

namespace onnxquant::cli {

// One line with the program's name, as its other errors have it: "onnxquant: '--polcy' is not
// expected; did you mean '--policy'? 'onnxquant plan --help' lists what is". For
// CLI::App::failure_message.
std::string ArgumentError(const CLI::App* app, const CLI::Error& error);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_ARGUMENT_ERRORS_H_
