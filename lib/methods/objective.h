// What rounding does to the outputs of a layer.
#ifndef ONNXQUANT_LIB_METHODS_OBJECTIVE_H_
#define ONNXQUANT_LIB_METHODS_OBJECTIVE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace onnxquant::methods {

// The sum over all rows of (w - q)^T H (w - q), with weights w and values q of row-major [N, k] and
// H = `moments`, symmetric [k, k]. No `values`: all 0, what relative errors are divided by.
double Objective(absl::Span<const float> weights, absl::Span<const float> values, std::int64_t k,
                 absl::Span<const float> moments);

}  // namespace onnxquant::methods

#endif  // ONNXQUANT_LIB_METHODS_OBJECTIVE_H_
