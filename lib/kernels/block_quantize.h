// Block-wise integer quantization of weight matrices: the storage of com.microsoft.MatMulNBits.
//
// A weight takes part in a product as B of A[M,K] x B[K,N]. Each column n of B is cut along K into
// blocks; a block has one scale (and one zero point, if asymmetric) and is stored as `bits`-bit
// codes, low bits first: code k of a block is in byte k * bits / 8, shifted by bits * (k mod
// 8 / bits). It stands for (code - zero point) * scale. With 2 bits a byte holds four codes, with 4
// two, with 8 one; zero points are packed alike, so that with 8 bits no slot is ever unused.
//
// The bytes are those of ONNX Runtime's own quantizer (MlasQuantizeBlockwise, columnwise, x86-64),
// including what no reader looks at.
#ifndef ONNXQUANT_LIB_KERNELS_BLOCK_QUANTIZE_H_
#define ONNXQUANT_LIB_KERNELS_BLOCK_QUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace onnxquant::kernels {

enum class ScaleType { kFloat32, kFloat16 };

// How the source lies in memory. kKN: row-major [K,N], as MatMul takes its B. kNK: row-major [N,K],
// when B reaches MatMul through a Transpose.
enum class WeightLayout { kKN, kNK };

struct BlockFormat {
  int bits = 4;            // 2, 4 or 8
  std::size_t block = 32;  // a power of two from 16 to 256
  // Symmetric: codes are centred on 2^(bits-1), which is no zero point that is stored; the scale
  // carries the sign of the block's largest magnitude. Asymmetric: an unsigned zero point a block.
  bool symmetric = true;
  ScaleType scale = ScaleType::kFloat32;
};

// Sizes of the outputs for a whole [K,N] weight.
struct BlockSizes {
  std::size_t data_bytes;        // [N, k_blocks, block * bits / 8]
  std::size_t scale_count;       // [N, k_blocks]
  std::size_t zero_point_bytes;  // [N, ceil(k_blocks * bits / 8)]; 0 when symmetric
};
BlockSizes SizesOf(const BlockFormat& format, std::size_t k, std::size_t n);

// Where a tile's results go, for each n of the tile the tile's own blocks, contiguous. Only the
// scales that the format asks for are written; the other span may be empty. Zero points are one
// byte each, because a tile may end within a packed byte: PackZeroPoints packs a whole weight's.
struct TileOutput {
  absl::Span<std::uint8_t> data;         // [n, blocks, block * bits / 8]
  absl::Span<float> scales_f32;          // [n, blocks]
  absl::Span<std::uint16_t> scales_f16;  // [n, blocks], fp16 bits
  absl::Span<std::uint8_t> zero_points;  // [n, blocks]; empty when symmetric
};

// Quantizes the tile [k, n] of a weight. `tile` holds whole contiguous rows of the source:
//   kKN: [k, n], where n is all of N, and the tile starts at a multiple of the block in K and ends
//        at one or at K. To get ONNX Runtime's bytes for a K that leaves one row over, the start
//        must be a multiple of 8 / bits blocks (see below).
//   kNK: [n, k], where k is all of K.
// k need not be a multiple of the block. Spans of other sizes than the shapes above, and formats
// that are not listed at BlockFormat, end the program.
//
// Arithmetic is float32, each operation rounded. For a block with least value `lo`, greatest `hi`:
//   symmetric   m = |hi| > |lo| ? hi : lo; scale = -m / 2^(bits-1); zero point 2^(bits-1)
//   asymmetric  lo = min(lo, 0), hi = max(hi, 0); scale = (hi - lo) / (2^bits - 1);
//               zero point = -lo / scale clamped to the codes, then rounded half away from zero
//   code        round(v * r + zero point), half away from zero, clamped to the codes, where r is
//               the reciprocal of the scale *as stored* (rounded to fp16 if the format says so), or
//               0 for a scale of 0
// A block of zeros has scale -0 (or 0 if its first value is -0, or if asymmetric) and codes equal
// to the zero point, which is 0 if asymmetric. Where an fp16 scale becomes 0, all codes equal the
// zero point.
//
// Values that are not finite do not stop the quantizer, and give what ONNX Runtime gives: NaN takes
// no part in the range and has code 0. An infinity in the range makes the scale infinite; finite
// values then have the zero point as code and infinities have 0. So do not quantize such a weight
// unless that is wanted.
//
// Bytes beyond k in the last block are 0. If k ends within a byte, the unused slots of that byte
// keep what the same slots of the byte before held: of the block before, if the byte is the first
// of its block and its block is not the first of a group of 8 / bits blocks; 0 else.
void QuantizeTile(const BlockFormat& format, WeightLayout layout, absl::Span<const float> tile,
                  std::size_t k, std::size_t n, const TileOutput& output);

// Packs codes [n, k], a byte each, to [n, k_blocks, block * bits / 8]. What pads the last block is
// 0.
void PackCodes(const BlockFormat& format, absl::Span<const std::uint8_t> codes, std::size_t k,
               std::size_t n, absl::Span<std::uint8_t> packed);

// Packs zero points [n, blocks], a byte each, to [n, ceil(blocks * bits / 8)]; each row starts at a
// byte. Unused slots of a row's last byte hold 2^(bits-1).
void PackZeroPoints(const BlockFormat& format, absl::Span<const std::uint8_t> zero_points,
                    std::size_t n, std::size_t blocks, absl::Span<std::uint8_t> packed);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_BLOCK_QUANTIZE_H_
