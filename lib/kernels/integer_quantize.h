// 8-bit integers with a scale and a zero point for a whole tensor, or for each of its channels:
// the weights that ONNX Runtime's quantize_dynamic stores for MatMulInteger, ConvInteger, Gather
// and DequantizeLinear. A code stands for (code - zero point) * scale.
//
// Three stages, because a range is known only when all tiles have been seen:
//   1. the range of the values, over any tiles in any order;
//   2. scale and zero point of a range;
//   3. the codes of the values, over any tiles again.
// For a channel whose values are contiguous (axis 0 of a weight), the stages take one channel's
// values at a time; where channels are the columns of row-major rows (the last axis, N of [K,N]),
// those for columns take whole rows.
//
// Scales, zero points and codes are those of onnxruntime.quantization, bit for bit.
#ifndef ONNXQUANT_LIB_KERNELS_INTEGER_QUANTIZE_H_
#define ONNXQUANT_LIB_KERNELS_INTEGER_QUANTIZE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"

namespace onnxquant::kernels {

enum class IntegerType { kUint8, kInt8 };

struct IntegerFormat {
  IntegerType type = IntegerType::kInt8;
  // A zero point in the middle (0, or 128 of uint8), and as much room on either side of 0.
  bool symmetric = true;
  // 7 bits, for processors whose 8-bit products saturate.
  bool reduce_range = false;
};

// The least and the greatest code that a scale is derived for: uint8 0..255, reduced 0..127; int8
// -128..127, symmetric -127..127, reduced (symmetric or not) -64..64.
struct CodeRange {
  int lowest, highest;
};
CodeRange CodeRangeOf(const IntegerFormat& format);

// Of no values: lo > hi. One NaN makes lo NaN for good.
struct ValueRange {
  float lo = std::numeric_limits<float>::infinity();
  float hi = -std::numeric_limits<float>::infinity();

  void Merge(const ValueRange& other);
};

// Stage 1. Extends `range` by the values.
void ExtendRange(absl::Span<const float> values, ValueRange& range);
// Extends ranges[column] by the columns of `rows`, row-major [any, ranges.size()]. (Sizes are
// checked: a part of a row ends the program.)
void ExtendColumnRanges(absl::Span<const float> rows, absl::Span<ValueRange> ranges);

struct IntegerScale {
  float scale = 1;
  int zero_point = 0;
  bool operator==(const IntegerScale&) const = default;
};

// Stage 2. `type` is the weight's own: the range is subtracted and the scale is stored in it (an
// fp16 weight's range must hold fp16 values). With 0 taken into the range, and lo = -hi if
// symmetric, in this order:
//   width = hi - lo, in the weight's type
//   scale = width / (highest - lowest), in float64; if that is below the type's least normal
//           number (a range of zeros, or nothing): scale 1 and zero point 0
//   zero point = round(lowest - lo / scale), in float64, half to even; symmetric: the middle code,
//           round((lowest + highest) / 2), half to even
//   and only then the scale is rounded to the weight's type.
// Nothing for a range with NaN, and for a width that is not finite in the weight's type: ONNX
// Runtime stops on the former, and stores an infinite scale for the latter.
std::optional<IntegerScale> IntegerScaleOf(const IntegerFormat& format, const ValueRange& range,
                                           ScaleType type);

// Stage 3. codes = value / scale, rounded half to even, + zero point, clamped to what the type
// holds (all of it, whatever the range that the scale was derived for); each operation float32.
// int8 codes are bytes of two's complement. NaN becomes 0. Spans of different sizes end the
// program.
void QuantizeIntegers(IntegerType type, const IntegerScale& scale, absl::Span<const float> values,
                      absl::Span<std::uint8_t> codes);
// As above with scales[column], for rows row-major [any, scales.size()].
void QuantizeIntegerColumns(IntegerType type, absl::Span<const IntegerScale> scales,
                            absl::Span<const float> rows, absl::Span<std::uint8_t> codes);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_INTEGER_QUANTIZE_H_
