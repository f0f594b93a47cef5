// What the commands that run models have in common.
#ifndef ONNXQUANT_TOOLS_MEASURE_H_
#define ONNXQUANT_TOOLS_MEASURE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "tools/command.h"
#include "tools/options.h"

namespace onnxquant::cli {

// --seed and --dim. Error (kUsage): a --dim that is not NAME=SIZE.
absl::StatusOr<InputOptions> InputOptionsOf(const RuntimeOptions& runtime);

// What is read for running the models: none of it may be replaced by a result. Error (kUsage): a
// folder of --inputs without files of arrays.
absl::StatusOr<std::vector<std::string>> FilesReadToRun(const std::vector<std::string>& models,
                                                        const RunOptions& run);

// --onnxruntime.
RunnerOptions RunnerOptionsOf(const RuntimeOptions& runtime);

// Prints what the user should know of the inputs to stderr, unless --quiet.
void PrintNotes(const std::vector<std::string>& notes, const Surroundings& surroundings);

// Whether Ctrl-C was pressed.
std::function<bool()> CancelledOf(const Surroundings& surroundings);

// Prints "step 3 of 18" to stderr, on a terminal and unless --quiet.
std::function<void(std::size_t, std::size_t)> StepsOf(const Surroundings& surroundings);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_MEASURE_H_
