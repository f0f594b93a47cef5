// What the block quantizers for the two layouts share.
#ifndef ONNXQUANT_LIB_KERNELS_BLOCK_TILE_H_
#define ONNXQUANT_LIB_KERNELS_BLOCK_TILE_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/kernels/block_quantize.h"

namespace onnxquant::kernels {

static_assert(std::endian::native == std::endian::little, "codes are packed through wider words");

constexpr std::size_t kLargestBlock = 256;

// Blocks whose scales are derived together: columns of a strip of [K,N], blocks of a row of [N,K].
constexpr std::size_t kGroup = 64;

constexpr std::size_t BlocksOf(std::size_t k, std::size_t block) {
  return (k + block - 1) / block;
}

// A tile whose sizes have been checked.
struct Tile {
  const float* source;
  std::size_t k, n;
  std::size_t block;
  int bits;
  bool symmetric;
  bool half_scales;
  std::uint8_t* data;
  std::size_t row_bytes;  // of one n in data
  float* scales_f32;
  std::uint16_t* scales_f16;
  std::uint8_t* zero_points;

  std::size_t blocks() const { return BlocksOf(k, block); }
};

// Per block of a group. Codes are round(value * reciprocal + zero_point).
struct BlockGroup {
  alignas(64) float lo[kGroup];
  alignas(64) float hi[kGroup];
  alignas(64) float scale[kGroup];
  alignas(64) float reciprocal[kGroup];
  alignas(64) float zero_point[kGroup];
  alignas(64) std::uint16_t scale_bits[kGroup];  // fp16, if the tile's scales are
};

// Unused slots of a column's last byte are left 0.
void QuantizeTileKN(const Tile& tile);
void QuantizeTileNK(const Tile& tile);

// Quantized blocks whose sizes have been checked.
struct StoredBlocks {
  const std::uint8_t* data;
  std::size_t row_bytes;  // of one n in data
  const float* scales;
  const std::uint8_t* zero_points;  // packed, or null: 2^(bits-1)
  std::size_t k, n;
  std::size_t block;
};

// Checks sizes, which end the program if they are others than `sizes` says.
Tile CheckedTile(const BlockFormat& format, const BlockSizes& sizes, absl::Span<const float> source,
                 std::size_t k, std::size_t n, const TileOutput& output);
void DequantizeChecked(const BlockFormat& stored, const BlockSizes& sizes,
                       absl::Span<const std::uint8_t> data, absl::Span<const float> scales,
                       absl::Span<const std::uint8_t> zero_points, std::size_t k, std::size_t n,
                       absl::Span<float> output);

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_BLOCK_TILE_H_
