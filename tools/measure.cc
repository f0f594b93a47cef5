#include "tools/measure.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/numbers.h"
#include "lib/base/error.h"
#include "lib/model/input_files.h"
#include "lib/runtime/input_files.h"
#include "tools/print.h"

namespace onnxquant::cli {

absl::StatusOr<InputOptions> InputOptionsOf(const RuntimeOptions& runtime) {
  InputOptions options;
  options.seed = runtime.seed;
  for (const std::string& text : runtime.dims) {
    const std::size_t equals = text.rfind('=');
    std::int64_t size = 0;
    if (equals == std::string::npos || !absl::SimpleAtoi(text.substr(equals + 1), &size) ||
        size < 0) {
      return UsageError("--dim ", text, ": expected NAME=SIZE, as in batch=4");
    }
    options.dims[text.substr(0, equals)] = size;
  }
  return options;
}

absl::StatusOr<std::vector<std::string>> FilesReadToRun(const std::vector<std::string>& models,
                                                        const RunOptions& run) {
  ONNXQUANT_ASSIGN_OR_RETURN(std::vector<std::string> others, InputFilesOf(run.inputs));
  others.push_back(run.tokens);
  return FilesReadFor(models, others);
}

RunnerOptions RunnerOptionsOf(const RuntimeOptions& runtime) {
  RunnerOptions options;
  options.library = runtime.library;
  return options;
}

void PrintNotes(const std::vector<std::string>& notes, const Surroundings& surroundings) {
  if (surroundings.quiet()) return;
  for (const std::string& note : notes) PrintError("note: %s\n", note);
}

std::function<bool()> CancelledOf(const Surroundings& surroundings) {
  return [flag = surroundings.cancelled] { return flag != nullptr && flag->load(); };
}

std::function<void(std::size_t, std::size_t)> StepsOf(const Surroundings& surroundings) {
  if (surroundings.quiet() || isatty(STDERR_FILENO) == 0) return nullptr;
  return [](std::size_t done, std::size_t total) {
    std::fprintf(stderr, "\r\x1b[Kstep %zu of %zu%s", done, total, done == total ? "\r\x1b[K" : "");
    std::fflush(stderr);
  };
}

}  // namespace onnxquant::cli
