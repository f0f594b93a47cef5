// The kernels again, one value at a time and as plainly as they can be said. Tests hold the
// vectorised kernels against these, bit for bit; nothing else uses them.
#ifndef ONNXQUANT_LIB_KERNELS_REFERENCE_H_
#define ONNXQUANT_LIB_KERNELS_REFERENCE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"
#include "lib/kernels/bnb4_quantize.h"
#include "lib/kernels/float8.h"
#include "lib/kernels/half.h"
#include "lib/kernels/integer_quantize.h"
#include "lib/kernels/qdq_quantize.h"

namespace onnxquant::kernels::reference {

std::uint16_t FloatToHalf(float value);
float HalfToFloat(std::uint16_t bits);
std::uint16_t FloatToBFloat16(float value);
float BFloat16ToFloat(std::uint16_t bits);

NarrowStats FloatToHalf(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                        OverflowMode mode);
NarrowStats FloatToBFloat16(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                            OverflowMode mode);

struct BlockScale {
  float value;  // as stored, widened
  float zero_point;
};
// Of a block whose values lie from lo to hi.
BlockScale ChooseScale(const BlockFormat& format, float lo, float hi);

void QuantizeTile(const BlockFormat& format, WeightLayout layout, absl::Span<const float> tile,
                  std::size_t k, std::size_t n, const TileOutput& output);
void DequantizeBlocks(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                      absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                      std::size_t k, std::size_t n, absl::Span<float> output);

void ExtendRange(absl::Span<const float> values, ValueRange& range);
void QuantizeIntegers(IntegerType type, const IntegerScale& scale, absl::Span<const float> values,
                      absl::Span<std::uint8_t> codes);

// Blocks along axis 1 if `along_rows`, else along axis 0.
void QuantizeQdq(const QdqFormat& format, bool along_rows, std::size_t block,
                 absl::Span<const float> rows, std::size_t k, std::size_t n,
                 absl::Span<std::uint8_t> data, const QdqScales& scales);

void QuantizeBnb4(const Bnb4Format& format, absl::Span<const float> values,
                  const Bnb4Output& output);

std::uint8_t FloatToFloat8(Float8Type type, float value);
float Float8ToFloat(Float8Type type, std::uint8_t bits);
NarrowStats FloatToFloat8(Float8Type type, absl::Span<const float> in,
                          absl::Span<std::uint8_t> out);

}  // namespace onnxquant::kernels::reference

#endif  // ONNXQUANT_LIB_KERNELS_REFERENCE_H_
