// Conversions from float64.
#ifndef ONNXQUANT_LIB_KERNELS_DOUBLE_H_
#define ONNXQUANT_LIB_KERNELS_DOUBLE_H_

#include "absl/types/span.h"
#include "lib/kernels/half.h"

namespace onnxquant::kernels {

// Both: `in` and `out` have the same size (checked) and do not overlap. Inf, NaN and the sign of
// zero pass through.

// Rounds to nearest, ties to even. What is finite and beyond float32's largest number becomes
// infinite or that number, as `mode` says.
NarrowStats DoubleToFloat(absl::Span<const double> in, absl::Span<float> out, OverflowMode mode);

// Rounds to odd: what float32 cannot hold goes to that of its two neighbours whose last bit is 1,
// and beyond the largest number to that. A further rounding, to 16 bits, then gives what rounding
// the float64 itself to nearest would. (S. Boldo, G. Melquiond: Emulation of FMA and correctly
// rounded sums: proved algorithms using rounding to odd, IEEE Trans. Comput. 57, 2008.)
void DoubleToOddFloat(absl::Span<const double> in, absl::Span<float> out);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_DOUBLE_H_
