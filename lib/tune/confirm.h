// What a tuned policy really costs.
#ifndef ONNXQUANT_LIB_TUNE_CONFIRM_H_
#define ONNXQUANT_LIB_TUNE_CONFIRM_H_

#include "absl/status/statusor.h"
#include "lib/tune/tune.h"

namespace onnxquant {

// The mean KL divergence of the output as it is written, against the model, on 256 tokens of the
// model's own text that nothing was chosen on (another seed). It is written to the folder for
// temporary files, which has to have room for it, and removed. Errors: those of a conversion and of
// running models.
absl::StatusOr<double> Confirm(const TuneOptions& options, const Tuning& tuning);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_CONFIRM_H_
