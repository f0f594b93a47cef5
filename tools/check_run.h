// check --run: the model by itself, on each provider.
#ifndef ONNXQUANT_TOOLS_CHECK_RUN_H_
#define ONNXQUANT_TOOLS_CHECK_RUN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/verify/alone.h"
#include "onnxquant/check.h"
#include "tools/options.h"

namespace onnxquant::cli {

absl::StatusOr<std::vector<AloneResult>> RunChecked(const std::string& model,
                                                    const ProviderOptions& where,
                                                    const RunOptions& run,
                                                    const Surroundings& surroundings);

// A line for each provider.
void PrintRuns(absl::Span<const AloneResult> runs);

// The check's JSON, with the runs under the key "runs" where there are any.
std::string WithRuns(const CheckResult& result, absl::Span<const AloneResult> runs);

}  // namespace onnxquant::cli

#endif  // ONNXQUANT_TOOLS_CHECK_RUN_H_
