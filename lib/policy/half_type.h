// The one 16-bit type of an output.
#ifndef ONNXQUANT_LIB_POLICY_HALF_TYPE_H_
#define ONNXQUANT_LIB_POLICY_HALF_TYPE_H_

#include "absl/status/statusor.h"
#include "lib/policy/plan.h"

namespace onnxquant {

// That which an output and the rules about it name; the model's own if they name none. Errors
// (kPolicy): they name two, or bfloat16 together with 4-bit weights.
absl::StatusOr<ElementType> HalfTypeOf(const Analysis& analysis, const Policy& policy,
                                       const OutputSpec& output);

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_HALF_TYPE_H_
