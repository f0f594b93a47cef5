// The check for those who have analysed the model already.
#ifndef ONNXQUANT_LIB_CHECK_CHECK_H_
#define ONNXQUANT_LIB_CHECK_CHECK_H_

#include "absl/status/statusor.h"
#include "lib/model/model.h"
#include "lib/policy/plan.h"
#include "onnxquant/check.h"

namespace onnxquant {

// `analysis` is of `model`; null where the model is too damaged to be analysed. `all_weights`:
// looks for NaN and infinity in them all, which takes as long as reading the file.
absl::StatusOr<CheckResult> CheckAnalyzed(const Model& model, const Analysis* analysis,
                                          const CheckOptions& options, bool all_weights = true);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_CHECK_CHECK_H_
