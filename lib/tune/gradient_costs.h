// What a weight's rounding costs, foretold by gradients, without a run.
#ifndef ONNXQUANT_LIB_TUNE_GRADIENT_COSTS_H_
#define ONNXQUANT_LIB_TUNE_GRADIENT_COSTS_H_

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/statistics/calibration_file.h"
#include "lib/tune/tunable.h"
#include "lib/tune/weight_values.h"

namespace onnxquant {

// Whether the file has gradients at what every reader of the weight makes.
bool HasGradients(const CalibrationFile& file, const Tunable& tunable);

// Nats per token: half the expected square of what the loss changes by in first order, in the
// approximation that gradients and inputs of a token are independent once inputs are weighed by the
// gradients' squares, and that the errors of two outputs are unrelated:
//   a product: 1/2 sum over outputs n of E[g_n^2] d_n^T F d_n, F = sum |g|^2 x x^T / sum |g|^2
//   a table: 1/2 sum over rows n of p_n d_n^T E[g g^T] d_n, with p_n how often it is looked up: as
//   the gradients of a product with the same weight say it, else all alike
// with d = `values` - `weights`. Readers add up. HasGradients() must hold.
absl::StatusOr<double> CostByGradients(const CalibrationFile& file, const Tunable& tunable,
                                       const WeightShape& shape, absl::Span<const float> weights,
                                       absl::Span<const float> values,
                                       const ValuesOptions& options);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TUNE_GRADIENT_COSTS_H_
