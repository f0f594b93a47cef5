// Conversions between float32 and the 16-bit float types, and what they did to the values.
#ifndef ONNXQUANT_LIB_KERNELS_HALF_H_
#define ONNXQUANT_LIB_KERNELS_HALF_H_

#include <cstdint>

#include "absl/types/span.h"

namespace onnxquant::kernels {

// What a conversion to a 16-bit type did to the values.
struct NarrowStats {
  // Finite inputs that round to beyond the largest finite value (fp16: |x| >= 65520).
  std::uint64_t overflowed = 0;
  std::uint64_t underflowed = 0;  // nonzero inputs that became zero
  std::uint64_t nonfinite = 0;    // NaN or Inf already in the input
  double peak = 0;                // largest finite |x| seen

  void Merge(const NarrowStats& other);
};

// What becomes of an input that overflows. Clamping moves it to the largest finite value of its
// sign; Inf and NaN in the input pass through either way.
enum class OverflowMode { kInfinity, kClamp };

// All conversions: `in` and `out` have the same size (checked) and do not overlap. Narrowing rounds
// to nearest, ties to even, and keeps subnormals and the sign of zero. A NaN stays a NaN: it is
// made quiet and keeps its sign and the top bits of its payload, as x86's F16C instructions do.
NarrowStats FloatToHalf(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                        OverflowMode mode);
void HalfToFloat(absl::Span<const std::uint16_t> in, absl::Span<float> out);
NarrowStats FloatToBFloat16(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                            OverflowMode mode);
void BFloat16ToFloat(absl::Span<const std::uint16_t> in, absl::Span<float> out);

// float -> half -> float. `in` and `out` may be the same memory.
NarrowStats RoundToHalf(absl::Span<const float> in, absl::Span<float> out, OverflowMode mode);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_HALF_H_
