// The whole command line as a function, for programs that bring their own runtime.
#ifndef ONNXQUANT_TOOLS_PROGRAM_H_
#define ONNXQUANT_TOOLS_PROGRAM_H_

#include "lib/runtime/runner.h"

namespace onnxquant::cli {

// Parses, runs, prints, and gives the exit status. `factory` runs models for `ranges` and `verify`.
int RunProgram(int argc, const char* const* argv, const RunnerFactory& factory);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_PROGRAM_H_
