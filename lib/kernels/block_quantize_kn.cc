// Weights as [K,N]: columns are contiguous, so that a vector holds one row of as many blocks, and
// no lane ever looks at another. A lane of 32 bits collects the codes of 32 / bits rows.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "lib/kernels/block_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/block_quantize_kn.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

// Part of a row of blocks: `rows` rows of `width` columns, of which the first `used` are wanted.
// The width is a multiple of the vectors'.
struct Strip {
  const float* source;
  std::size_t stride;
  std::size_t rows;
  std::size_t width, used;
};

HWY_INLINE void StripRanges(const Strip& strip, BlockGroup& group) {
  const BlockF d;
  const std::size_t lanes = hn::Lanes(d);
  const BlockV highest = hn::Set(d, std::numeric_limits<float>::max());
  const BlockV lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  std::size_t c = 0;
  // Several vectors at a time, to use whole cache lines and to hide the latency of comparisons.
  for (; c + 4 * lanes <= strip.width; c += 4 * lanes) {
    BlockV lo0 = highest, lo1 = highest, lo2 = highest, lo3 = highest;
    BlockV hi0 = lowest, hi1 = lowest, hi2 = lowest, hi3 = lowest;
    const float* from = strip.source + c;
    for (std::size_t row = 0; row < strip.rows; ++row, from += strip.stride) {
      const BlockV v0 = hn::LoadU(d, from);
      const BlockV v1 = hn::LoadU(d, from + lanes);
      const BlockV v2 = hn::LoadU(d, from + 2 * lanes);
      const BlockV v3 = hn::LoadU(d, from + 3 * lanes);
      lo0 = Lower(v0, lo0);
      lo1 = Lower(v1, lo1);
      lo2 = Lower(v2, lo2);
      lo3 = Lower(v3, lo3);
      hi0 = Higher(v0, hi0);
      hi1 = Higher(v1, hi1);
      hi2 = Higher(v2, hi2);
      hi3 = Higher(v3, hi3);
    }
    hn::Store(lo0, d, group.lo + c);
    hn::Store(lo1, d, group.lo + c + lanes);
    hn::Store(lo2, d, group.lo + c + 2 * lanes);
    hn::Store(lo3, d, group.lo + c + 3 * lanes);
    hn::Store(hi0, d, group.hi + c);
    hn::Store(hi1, d, group.hi + c + lanes);
    hn::Store(hi2, d, group.hi + c + 2 * lanes);
    hn::Store(hi3, d, group.hi + c + 3 * lanes);
  }
  for (; c < strip.width; c += lanes) {
    BlockV lo = highest;
    BlockV hi = lowest;
    const float* from = strip.source + c;
    for (std::size_t row = 0; row < strip.rows; ++row, from += strip.stride) {
      const BlockV value = hn::LoadU(d, from);
      lo = Lower(value, lo);
      hi = Higher(value, hi);
    }
    hn::Store(lo, d, group.lo + c);
    hn::Store(hi, d, group.hi + c);
  }
}

// The codes of up to 32 / bits rows, the first row in the lowest bits; missing rows are 0.
template <int kBits>
HWY_INLINE hn::Vec<BlockI> PackRows(const float* source, std::size_t stride, std::size_t rows,
                                    BlockV reciprocal, BlockV zero_point) {
  hn::Vec<BlockI> word = hn::Zero(BlockI());
  for (std::size_t row = rows; row-- > 0;) {
    const BlockV value = hn::LoadU(BlockF(), source + row * stride);
    word = hn::Or(hn::ShiftLeft<kBits>(word), Code<kBits>(value, reciprocal, zero_point));
  }
  return word;
}

template <int kBits>
HWY_INLINE void QuantizeStrip(const Tile& tile, const Strip& strip, std::size_t first_column,
                              std::size_t block_index, BlockGroup& group) {
  constexpr std::size_t kRowsPerWord = 32 / kBits;
  const BlockF d;
  const BlockI di;
  alignas(64) std::int32_t words[kLargestBlock / kRowsPerWord][kGroup];
  const std::size_t block_bytes = tile.block * kBits / 8;
  const std::size_t word_count = tile.block / kRowsPerWord;
  StripRanges(strip, group);
  DeriveScales<kBits>(tile, strip.width, group);
  for (std::size_t c = 0; c < strip.width; c += hn::Lanes(d)) {
    const BlockV reciprocal = hn::Load(d, group.reciprocal + c);
    const BlockV zero_point = hn::Load(d, group.zero_point + c);
    const float* from = strip.source + c;
    std::size_t row = 0;
    std::size_t word = 0;
    for (; row + kRowsPerWord <= strip.rows; row += kRowsPerWord, ++word) {
      hn::Store(PackRows<kBits>(from + row * strip.stride, strip.stride, kRowsPerWord, reciprocal,
                                zero_point),
                di, words[word] + c);
    }
    for (; word < word_count; row += kRowsPerWord, ++word) {
      const std::size_t left = strip.rows > row ? strip.rows - row : 0;
      hn::Store(
          PackRows<kBits>(from + row * strip.stride, strip.stride, left, reciprocal, zero_point),
          di, words[word] + c);
    }
  }
  const std::size_t blocks = tile.blocks();
  const std::size_t first = first_column * blocks + block_index;
  StoreScales(tile, group, strip.used, first, blocks);
  for (std::size_t c = 0; c < strip.used; ++c) {
    std::uint8_t* to = tile.data + (first + c * blocks) * block_bytes;
    for (std::size_t word = 0; word < word_count; ++word, to += sizeof(std::int32_t)) {
      std::memcpy(to, &words[word][c], sizeof(std::int32_t));
    }
  }
}

template <int kBits>
HWY_INLINE void QuantizeKN(const Tile& tile) {
  const std::size_t lanes = hn::Lanes(BlockF());
  const std::size_t whole = tile.n - tile.n % lanes;
  alignas(64) float copy[kLargestBlock * 16];
  BlockGroup group;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  for (std::size_t first = 0, index = 0; first < tile.k; first += tile.block, ++index) {
    const float* source = tile.source + first * tile.n;
    const std::size_t rows = std::min(tile.block, tile.k - first);
    for (std::size_t n = 0; n < whole; n += kGroup) {
      const std::size_t width = std::min(kGroup, whole - n);
      QuantizeStrip<kBits>(tile, {source + n, tile.n, rows, width, width}, n, index, group);
    }
    if (whole == tile.n) continue;
    // The last columns fill no vector: reading on would leave the tile with the last row.
    const std::size_t used = tile.n - whole;
    for (std::size_t row = 0; row < rows; ++row) {
      std::fill_n(std::copy_n(source + row * tile.n + whole, used, copy + row * lanes),
                  lanes - used, 0.0F);
    }
    QuantizeStrip<kBits>(tile, {copy, lanes, rows, lanes, used}, whole, index, group);
  }
}

void QuantizeKNBits(const Tile& tile) {
  switch (tile.bits) {
    case 2:
      return QuantizeKN<2>(tile);
    case 4:
      return QuantizeKN<4>(tile);
    default:
      return QuantizeKN<8>(tile);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(QuantizeKNBits);

void QuantizeTileKN(const Tile& tile) {
  HWY_DYNAMIC_DISPATCH(QuantizeKNBits)(tile);
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
