// Integer weights for DequantizeLinear, of 2, 4 or 8 bits, with scales for blocks along an axis, or
// for whole columns or rows.
//
// The weight is a row-major matrix [rows, columns]; codes keep its order and are packed flat, low
// bits first, without regard to rows: with an odd number of 4-bit columns, two rows share a byte.
// Symmetric codes are signed (INT2, INT4, INT8), have no zero point and stand for code * scale;
// asymmetric ones are unsigned (UINT2 ...) and stand for (code - zero point) * scale.
//
// Scales and zero points of a block are those of block_quantize.h: what it says of ranges, signed
// scales, blocks of zeros, vanishing fp16 scales and infinities holds here. Codes are rounded
// differently, before the zero point is added:
//   code = round(v * r), half away from zero, + zero point, clamped to the codes
// where r is the reciprocal of the scale as stored, or 0 for a scale of 0; where v * r is NaN or
// beyond an int32, the code is the least one (0, or -2^(bits-1)).
//
// With 4 bits and blocks along axis 0 the bytes are those of ONNX Runtime's native quantizer
// (MlasQDQQuantizeBlockwise, behind MatMulNBitsQuantizer with QuantFormat.QDQ). It has no other
// widths (its entry for 2 bits, up to 1.30, writes 4): there the same formulas are applied.
#ifndef ONNXQUANT_LIB_KERNELS_QDQ_QUANTIZE_H_
#define ONNXQUANT_LIB_KERNELS_QDQ_QUANTIZE_H_

#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"

namespace onnxquant::kernels {

struct QdqFormat {
  int bits = 4;  // 2, 4 or 8
  bool symmetric = true;
  ScaleType scale = ScaleType::kFloat32;
};

// Bytes of `count` codes, packed flat.
std::size_t PackedBytes(int bits, std::size_t count);

// The scales and zero points of some blocks, in the order of the tensors that hold them. Only the
// scales that the format asks for are used; the other span may be empty. Zero points are a byte
// each, since a tile may end within a packed byte: PackFlat packs a whole tensor's.
struct QdqScales {
  absl::Span<float> f32;
  absl::Span<std::uint16_t> f16;         // fp16 bits
  absl::Span<std::uint8_t> zero_points;  // empty when symmetric
};

// Blocks along axis 0 of [K,N]. `rows` is a tile [k, n] of whole rows; scales and zero points are
// [ceil(k / block), n], and data is PackedBytes(bits, k * n).
//
// A tile must start at a multiple of the block, and at a whole byte: (first row) * n * bits is a
// multiple of 8, which it is if the block is a multiple of 4 (for 2 bits), or of 2 (for 4), or if n
// is. So every tile of whole blocks of 16 or more is right. It ends at a multiple of the block, or
// at K. Unused bits of the last byte are 0. Spans of other sizes end the program.
void QuantizeQdqColumns(const QdqFormat& format, std::size_t block, absl::Span<const float> rows,
                        std::size_t k, std::size_t n, absl::Span<std::uint8_t> data,
                        const QdqScales& scales);

// Blocks along axis 1, for which a whole row has scales [ceil(n / block)]: one for a row if the
// block is n. `rows` is a tile [k, n] of whole rows; scales and zero points are
// [k, ceil(n / block)], and data is PackedBytes(bits, k * n). A tile must start at a whole byte, as
// above: an even number of rows, or of four rows for 2 bits, always does.
void QuantizeQdqRows(const QdqFormat& format, std::size_t block, absl::Span<const float> rows,
                     std::size_t k, std::size_t n, absl::Span<std::uint8_t> data,
                     const QdqScales& scales);

// One scale for each column of [K,N] is QuantizeQdqColumns with a block of K, in one tile; or, in
// bounded memory, these three stages. (Ranges over any tiles in any order, scales of the ranges,
// codes over any tiles that start at a whole byte.)
struct QdqRange {
  float lo = std::numeric_limits<float>::max();
  float hi = std::numeric_limits<float>::lowest();
};
// Extends the ranges by the columns of `rows`, [any, ranges.size()]. NaN is left out. (Of zeros of
// both signs the first that is seen counts, and gives a scale of 0 its sign.)
void ExtendQdqRanges(absl::Span<const float> rows, absl::Span<QdqRange> ranges);
// Writes a scale, and a zero point unless symmetric, for each range.
void QdqScalesOf(const QdqFormat& format, absl::Span<const QdqRange> ranges,
                 const QdqScales& scales);
// Packs the codes of `rows`, [k, n], with the n scales and zero points of its columns.
void QuantizeQdqWithScales(const QdqFormat& format, const QdqScales& scales,
                           absl::Span<const float> rows, std::size_t k, std::size_t n,
                           absl::Span<std::uint8_t> data);

// Packs codes or zero points, a byte each, flat. Unused bits of the last byte are 0.
void PackFlat(int bits, absl::Span<const std::uint8_t> codes, absl::Span<std::uint8_t> packed);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_QDQ_QUANTIZE_H_
