// What the commands that run models have in common.
#ifndef ONNXQUANT_TOOLS_MEASURE_H_
#define ONNXQUANT_TOOLS_MEASURE_H_

#include <cstddef>
#include <functional>

#include "absl/status/statusor.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "tools/command.h"
#include "tools/options.h"

namespace onnxquant::cli {

// --seed and --dim. Error (kUsage): a --dim that is not NAME=SIZE.
absl::StatusOr<InputOptions> InputOptionsOf(const RuntimeOptions& runtime);

// --onnxruntime.
RunnerOptions RunnerOptionsOf(const RuntimeOptions& runtime);

// Whether Ctrl-C was pressed.
std::function<bool()> CancelledOf(const Surroundings& surroundings);

// Prints "step 3 of 18" to stderr, on a terminal and unless --quiet.
std::function<void(std::size_t, std::size_t)> StepsOf(const Surroundings& surroundings);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_MEASURE_H_
