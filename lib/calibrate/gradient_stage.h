// Runs a model forwards and backwards over text, and sums up gradients.
#ifndef ONNXQUANT_LIB_CALIBRATE_GRADIENT_STAGE_H_
#define ONNXQUANT_LIB_CALIBRATE_GRADIENT_STAGE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/calibrate/gradient_plan.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/tokens.h"
#include "lib/statistics/statistics.h"

namespace onnxquant {

struct GradientRun {
  std::string model;  // its path
  InputOptions inputs;
  RunnerOptions runner;
  RunnerFactory factory;
  std::function<bool()> cancelled;
  std::function<void(std::size_t tokens)> read;  // so many more were; may be null
};

// Bytes of sums and rows that a place takes.
std::uint64_t GradientBytes(const GradientPlan::Place& place);

// Of `places`, an index each, over whole sequences. Errors: of loading and running the model;
// kVerify for gradients that are NaN or infinite.
absl::StatusOr<std::vector<GradientMoments>> SumGradients(const GradientRun& run,
                                                          const GradientPlan& plan,
                                                          absl::Span<const std::size_t> places,
                                                          const TokenSequences& sequences);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_GRADIENT_STAGE_H_
