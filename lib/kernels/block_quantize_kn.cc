// Weights as [K,N]: columns are contiguous, so that a vector holds one row of as many blocks, and
// no lane ever looks at another. A lane of 32 bits collects the codes of 32 / bits rows.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "lib/kernels/block_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/block_quantize_kn.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"
#include "lib/kernels/block_strip-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

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

// Not inline: with three widths for each target, sanitizers would take minutes to compile this.
template <int kBits>
HWY_NOINLINE void QuantizeStrip(const Tile& tile, const Strip& strip, std::size_t first_column,
                                std::size_t block_index, BlockGroup& group) {
  constexpr std::size_t kRowsPerWord = 32 / kBits;
  const BlockF d;
  const BlockI di;
  alignas(64) std::int32_t words[kLargestBlock / kRowsPerWord][kGroup];
  const std::size_t block_bytes = tile.block * kBits / 8;
  const std::size_t word_count = tile.block / kRowsPerWord;
  StripRanges(strip, group);
  DeriveScales<kBits>(tile.symmetric, tile.half_scales, strip.width, group);
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
