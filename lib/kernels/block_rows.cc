#include "lib/kernels/block_rows.h"

#include "hwy/base.h"
#include "lib/kernels/block_tile.h"

namespace onnxquant::kernels {

bool HoldsWholeBytes(const BlockFormat& format, std::size_t k) {
  return k * static_cast<std::size_t>(format.bits) % 8 == 0;
}

BlockSizes RowSizesOf(const BlockFormat& format, std::size_t k, std::size_t n) {
  HWY_ASSERT(HoldsWholeBytes(format, k));
  BlockSizes sizes = SizesOf(format, k, n);
  sizes.data_bytes = n * (k * static_cast<std::size_t>(format.bits) / 8);
  return sizes;
}

void QuantizeRows(const BlockFormat& format, absl::Span<const float> rows, std::size_t k,
                  std::size_t n, const TileOutput& output) {
  const BlockSizes sizes = RowSizesOf(format, k, n);
  const Tile tile = CheckedTile(format, sizes, rows, k, n, output);
  if (k != 0 && n != 0) QuantizeTileNK(tile);
}

void DequantizeRows(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                    absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                    std::size_t k, std::size_t n, absl::Span<float> output) {
  BlockFormat stored = format;
  stored.symmetric = zero_points.empty();
  DequantizeChecked(stored, RowSizesOf(stored, k, n), data, scales, zero_points, k, n, output);
}

}  // namespace onnxquant::kernels
