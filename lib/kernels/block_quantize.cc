#include "lib/kernels/block_quantize.h"

#include "hwy/base.h"
#include "lib/kernels/block_tile.h"

namespace onnxquant::kernels {
namespace {

void CheckFormat(const BlockFormat& format) {
  HWY_ASSERT(format.bits == 2 || format.bits == 4 || format.bits == 8);
  HWY_ASSERT(format.block >= 16 && format.block <= kLargestBlock);
  HWY_ASSERT(std::has_single_bit(format.block));
}

std::size_t PackedZeroPointBytes(const BlockFormat& format, std::size_t blocks) {
  return (blocks * static_cast<std::size_t>(format.bits) + 7) / 8;
}

// If k ends within a byte, the unused slots keep what the byte before has there.
void FillUnusedSlots(const BlockFormat& format, const Tile& tile) {
  const auto bits = static_cast<std::size_t>(format.bits);
  const std::size_t pack = 8 / bits;
  const std::size_t block_bytes = tile.block / pack;
  const std::size_t used = tile.k % pack;
  if (used == 0) return;
  const std::size_t byte = tile.k / pack;
  if (byte % (pack * block_bytes) == 0) return;  // the first of a group: nothing before it
  const auto unused = static_cast<std::uint8_t>(0xFF << (used * bits));
  for (std::size_t n = 0; n < tile.n; ++n) {
    std::uint8_t* at = tile.data + n * tile.row_bytes + byte;
    *at = static_cast<std::uint8_t>(*at | (at[-1] & unused));
  }
}

}  // namespace

BlockSizes SizesOf(const BlockFormat& format, std::size_t k, std::size_t n) {
  CheckFormat(format);
  const std::size_t blocks = BlocksOf(k, format.block);
  return {n * blocks * (format.block * static_cast<std::size_t>(format.bits) / 8), n * blocks,
          format.symmetric ? 0 : n * PackedZeroPointBytes(format, blocks)};
}

Tile CheckedTile(const BlockFormat& format, const BlockSizes& sizes, absl::Span<const float> source,
                 std::size_t k, std::size_t n, const TileOutput& output) {
  const bool half = format.scale == ScaleType::kFloat16;
  HWY_ASSERT(source.size() == k * n);
  HWY_ASSERT(output.data.size() == sizes.data_bytes);
  HWY_ASSERT((half ? output.scales_f16.size() : output.scales_f32.size()) == sizes.scale_count);
  HWY_ASSERT(output.zero_points.size() == (format.symmetric ? 0 : sizes.scale_count));
  return {source.data(),
          k,
          n,
          format.block,
          format.bits,
          format.symmetric,
          half,
          output.data.data(),
          n == 0 ? 0 : sizes.data_bytes / n,
          output.scales_f32.data(),
          output.scales_f16.data(),
          output.zero_points.data()};
}

void QuantizeTile(const BlockFormat& format, WeightLayout layout, absl::Span<const float> tile,
                  std::size_t k, std::size_t n, const TileOutput& output) {
  const Tile checked = CheckedTile(format, SizesOf(format, k, n), tile, k, n, output);
  if (k == 0 || n == 0) return;
  if (layout == WeightLayout::kKN) {
    QuantizeTileKN(checked);
  } else {
    QuantizeTileNK(checked);
  }
  FillUnusedSlots(format, checked);
}

void PackCodes(const BlockFormat& format, absl::Span<const std::uint8_t> codes, std::size_t k,
               std::size_t n, absl::Span<std::uint8_t> packed) {
  CheckFormat(format);
  HWY_ASSERT(codes.size() == n * k);
  HWY_ASSERT(packed.size() == SizesOf(format, k, n).data_bytes);
  if (n == 0) return;
  const auto bits = static_cast<std::size_t>(format.bits);
  const std::size_t pack = 8 / bits;
  const std::size_t row_bytes = packed.size() / n;
  std::fill(packed.begin(), packed.end(), std::uint8_t{0});
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t i = 0; i < k; ++i) {
      const auto code = static_cast<unsigned>(codes[row * k + i]);
      std::uint8_t& byte = packed[row * row_bytes + i / pack];
      byte = static_cast<std::uint8_t>(byte | code << (i % pack * bits));
    }
  }
}

void PackZeroPoints(const BlockFormat& format, absl::Span<const std::uint8_t> zero_points,
                    std::size_t n, std::size_t blocks, absl::Span<std::uint8_t> packed) {
  CheckFormat(format);
  const std::size_t row_bytes = PackedZeroPointBytes(format, blocks);
  const auto bits = static_cast<std::size_t>(format.bits);
  const std::size_t pack = 8 / bits;
  HWY_ASSERT(zero_points.size() == n * blocks);
  HWY_ASSERT(packed.size() == n * row_bytes);
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t byte = 0; byte < row_bytes; ++byte) {
      unsigned value = 0;
      for (std::size_t slot = 0; slot < pack; ++slot) {
        const std::size_t block = byte * pack + slot;
        const unsigned zero_point =
            block < blocks ? zero_points[row * blocks + block] : 1U << (bits - 1);
        value |= zero_point << (slot * bits);
      }
      packed[row * row_bytes + byte] = static_cast<std::uint8_t>(value);
    }
  }
}

}  // namespace onnxquant::kernels
