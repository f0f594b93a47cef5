// Runs a model on given arrays, and sums up what its products read.
#ifndef ONNXQUANT_LIB_CALIBRATE_SUM_INPUTS_H_
#define ONNXQUANT_LIB_CALIBRATE_SUM_INPUTS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "lib/calibrate/moment_sums.h"
#include "lib/runtime/inputs.h"
#include "lib/runtime/runner.h"
#include "lib/runtime/samples.h"

namespace onnxquant {

struct InputRun {
  std::string model;  // in messages
  InputOptions inputs;
  absl::Span<const std::string> outputs;  // the values, one for each of the sums
  std::function<bool()> cancelled;
  std::function<void(std::size_t done)> ran;  // so many samples were; may be null
};

// Adds the values' rows for each sample, which has arrays. Rows of padding are left out: they tell
// nothing of what the model reads. Errors: those of FitInputs, Runner::Run and MomentSums::Add;
// kCancelled.
absl::Status SumInputs(const InputRun& run, absl::Span<const Sample> samples, Runner& runner,
                       MomentSums& sums);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CALIBRATE_SUM_INPUTS_H_
