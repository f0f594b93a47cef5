// Conversions between float32 and the 8-bit float types.
#ifndef ONNXQUANT_LIB_KERNELS_FLOAT8_H_
#define ONNXQUANT_LIB_KERNELS_FLOAT8_H_

#include <cstdint>

#include "absl/types/span.h"
#include "lib/kernels/half.h"

namespace onnxquant::kernels {

// E4M3FN: 3 bits of fraction, up to 448, no infinity, one NaN of either sign. E5M2: 2 bits of
// fraction, up to 57344, infinity and NaN as of fp16, of which it is the upper byte.
enum class Float8Type { kE4M3FN, kE5M2 };

// Rounds to nearest, ties to even, and keeps subnormals and the sign of zero. Saturates, as ONNX's
// Cast and QuantizeLinear do unless told otherwise: what rounds to beyond the largest number, and
// infinity, becomes the largest number of its sign. NaN becomes NaN of its sign: 0x7F of E4M3FN,
// 0x7E of E5M2 (as ONNX's reference and ml_dtypes have it; ONNX Runtime's Cast writes 0x7F). Says
// what it did as the conversions to 16 bits do; saturated infinities count as not finite. `in` and
// `out` have the same size (checked) and do not overlap.
NarrowStats FloatToFloat8(Float8Type type, absl::Span<const float> in,
                          absl::Span<std::uint8_t> out);

// Exact; NaN becomes a NaN of its sign, E5M2's infinity infinity. Sizes as above.
void Float8ToFloat(Float8Type type, absl::Span<const std::uint8_t> in, absl::Span<float> out);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_FLOAT8_H_
