// Weights as [N,K]: blocks are contiguous, so that a vector holds values of one block.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "lib/kernels/block_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/block_quantize_nk.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"
#include "lib/kernels/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

HWY_INLINE void BlockRange(const float* values, std::size_t block, float& lo, float& hi) {
  const BlockF d;
  BlockV low = hn::Set(d, std::numeric_limits<float>::max());
  BlockV high = hn::Set(d, std::numeric_limits<float>::lowest());
  for (std::size_t i = 0; i < block; i += hn::Lanes(d)) {
    const BlockV value = hn::LoadU(d, values + i);
    low = Lower(value, low);
    high = Higher(value, high);
  }
  lo = hn::GetLane(hn::MinOfLanes(d, low));
  hi = hn::GetLane(hn::MaxOfLanes(d, high));
  // Only zeros: which of -0 and 0 comes out depends on the order, and gives the scale its sign. A
  // scan in order keeps the first.
  if (lo == 0.0F && hi == 0.0F) {
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): there is a zero
    lo = hi = *std::find_if(values, values + block, [](float value) { return value == 0.0F; });
  }
}

template <int kBits>
HWY_INLINE void QuantizeBlock(const float* values, std::size_t block, float reciprocal,
                              float zero_point, std::uint8_t* out) {
  const BlockF d;
  const hn::Rebind<std::uint8_t, BlockF> d8;
  const BlockV r = hn::Set(d, reciprocal);
  const BlockV zp = hn::Set(d, zero_point);
  alignas(64) std::uint8_t unpacked[kLargestBlock];
  std::uint8_t* codes = kBits == 8 ? out : unpacked;
  for (std::size_t i = 0; i < block; i += hn::Lanes(d)) {
    hn::StoreU(hn::DemoteTo(d8, Code<kBits>(hn::LoadU(d, values + i), r, zp)), d8, codes + i);
  }
  if constexpr (kBits != 8) PackCodes<kBits>(codes, block, out);
}

// Calls action(i, values) for each block of a group; what a last block lacks is filled up with NaN,
// which no range sees and whose code is 0.
template <class Action>
HWY_INLINE void ForEachBlock(const Tile& tile, const float* row, std::size_t first,
                             std::size_t count, const float* last, const Action& action) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (first + i) * tile.block;
    action(i, at + tile.block <= tile.k ? row + at : last);
  }
}

template <int kBits>
HWY_INLINE void QuantizeNK(const Tile& tile) {
  const std::size_t blocks = tile.blocks();
  const std::size_t block_bytes = tile.block * kBits / 8;
  const std::size_t tail = tile.k % tile.block;
  BlockGroup group = {};
  alignas(64) float last[kLargestBlock];
  alignas(64) std::uint8_t cut[kLargestBlock];  // a last block that is stored in part
  std::fill_n(last, tile.block, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t n = 0; n < tile.n; ++n) {
    const float* row = tile.source + n * tile.k;
    std::copy_n(row + tile.k - tail, tail, last);
    for (std::size_t first = 0; first < blocks; first += kGroup) {
      const std::size_t count = std::min(kGroup, blocks - first);
      ForEachBlock(tile, row, first, count, last, [&](std::size_t i, const float* values) HWY_ATTR {
        BlockRange(values, tile.block, group.lo[i], group.hi[i]);
      });
      DeriveScales<kBits>(tile.symmetric, tile.half_scales, count, group);
      StoreScales(tile, group, count, n * blocks + first, 1);
      std::uint8_t* data = tile.data + n * tile.row_bytes + first * block_bytes;
      const std::uint8_t* end = tile.data + (n + 1) * tile.row_bytes;
      ForEachBlock(tile, row, first, count, last, [&](std::size_t i, const float* values) HWY_ATTR {
        std::uint8_t* to = data + i * block_bytes;
        const auto room = static_cast<std::size_t>(end - to);
        QuantizeBlock<kBits>(values, tile.block, group.reciprocal[i], group.zero_point[i],
                             room < block_bytes ? cut : to);
        if (room < block_bytes) std::copy_n(cut, room, to);
      });
    }
  }
}

void QuantizeNKBits(const Tile& tile) {
  switch (tile.bits) {
    case 2:
      return QuantizeNK<2>(tile);
    case 4:
      return QuantizeNK<4>(tile);
    default:
      return QuantizeNK<8>(tile);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(QuantizeNKBits);

void QuantizeTileNK(const Tile& tile) {
  HWY_DYNAMIC_DISPATCH(QuantizeNKBits)(tile);
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
