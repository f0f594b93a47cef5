#include "lib/calibrate/sum_inputs.h"

#include <vector>

#include "lib/base/error.h"
#include "lib/runtime/fit_inputs.h"

namespace onnxquant {

absl::Status SumInputs(const InputRun& run, absl::Span<const Sample> samples, Runner& runner,
                       MomentSums& sums) {
  std::size_t done = 0;
  for (const Sample& sample : samples) {
    ONNXQUANT_RETURN_IF_ERROR(CheckCancelled(run.cancelled));
    ONNXQUANT_ASSIGN_OR_RETURN(
        const FittedInputs fitted,
        FitInputs(run.model, runner.signature(), *sample.given, run.inputs, true));
    ONNXQUANT_ASSIGN_OR_RETURN(std::vector<Tensor> values, runner.Run(fitted.inputs, run.outputs));
    const Tensor* mask = FindMask(fitted.inputs);
    for (Tensor& value : values) value = KeptRows(mask, value);
    ONNXQUANT_RETURN_IF_ERROR(sums.Add(values));
    if (run.ran) run.ran(++done);
  }
  return absl::OkStatus();
}

}  // namespace onnxquant
