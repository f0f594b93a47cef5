// The values that block-quantized weights stand for.
#ifndef ONNXQUANT_LIB_KERNELS_BLOCK_DEQUANTIZE_H_
#define ONNXQUANT_LIB_KERNELS_BLOCK_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"

namespace onnxquant::kernels {

// output [n, k] = (code - zero point) * scale, one float32 rounding, as ONNX Runtime's MatMulNBits
// reads its weights. `data`, `scales` (fp16 scales widened) and the packed `zero_points` have the
// sizes that SizesOf gives; without zero points they are 2^(bits-1), whatever format.symmetric
// says. Sizes are checked: others end the program.
void DequantizeBlocks(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                      absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                      std::size_t k, std::size_t n, absl::Span<float> output);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_BLOCK_DEQUANTIZE_H_
