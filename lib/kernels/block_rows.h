// Rows of block-quantized values without padding: the storage of com.microsoft's
// GatherBlockQuantized with uint8 data, gather_axis 0 and quantize_axis last, for tables [V,K].
//
// Blocks, scales, zero points and codes are those of block_quantize.h for the layout kNK, with V
// in N's place. Only the end of a row differs. MatMulNBits pads a row's last block to its full
// size; here the row ends with its last code, and a last block of fewer values is that much
// shorter. Where the block divides K, both forms are the same bytes, and one tensor can serve both
// operators.
#ifndef ONNXQUANT_LIB_KERNELS_BLOCK_ROWS_H_
#define ONNXQUANT_LIB_KERNELS_BLOCK_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"

namespace onnxquant::kernels {

// Whether rows of k values end with a byte: k * bits is a multiple of 8. ONNX Runtime takes the
// row's length from its bytes, so that other rows cannot be stored at all. The functions below end
// the program for them.
bool HoldsWholeBytes(const BlockFormat& format, std::size_t k);

// Sizes for [n, k]: data [n, k * bits / 8], scales [n, blocks] and packed zero points
// [n, ceil(blocks * bits / 8)] (0 bytes when symmetric), where blocks is ceil(k / block).
BlockSizes RowSizesOf(const BlockFormat& format, std::size_t k, std::size_t n);

// Quantizes whole rows, `rows` row-major [n, k], in any number: rows know nothing of each other.
// output.data is [n, k * bits / 8]; scales and zero points are as QuantizeTile writes them, and
// PackZeroPoints packs the latter. Without stored zero points GatherBlockQuantized, too, takes
// 2^(bits-1) for uint8 data. All else (arithmetic, edge cases, values that are not finite) is as
// for QuantizeTile.
void QuantizeRows(const BlockFormat& format, absl::Span<const float> rows, std::size_t k,
                  std::size_t n, const TileOutput& output);

// output [n, k] = (code - zero point) * scale, as DequantizeBlocks says, from unpadded rows.
void DequantizeRows(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                    absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                    std::size_t k, std::size_t n, absl::Span<float> output);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_BLOCK_ROWS_H_
