#include "lib/kernels/bnb4_quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "lib/kernels/block_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/bnb4_quantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/block_strip-inl.h"
#include "lib/kernels/bnb4_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

// A block's codes, a byte each, to two a byte, the first in the high half.
HWY_INLINE void PackHighFirst(const std::uint8_t* codes, std::size_t block, std::uint8_t* out) {
  const hn::CappedTag<std::int16_t, 8> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  for (std::size_t i = 0; i < block / 2; i += hn::Lanes(d)) {
    const auto pair = hn::LoadU(d, reinterpret_cast<const std::int16_t*>(codes + 2 * i));
    const auto byte = hn::Or(hn::ShiftLeft<4>(pair), hn::ShiftRight<8>(pair));
    hn::StoreU(hn::DemoteTo(d8, hn::And(byte, hn::Set(d, 0xFF))), d8, out + i);
  }
}

HWY_INLINE float LargestMagnitude(const float* values, std::size_t block) {
  const BlockF d;
  BlockV largest = hn::Zero(d);
  for (std::size_t i = 0; i < block; i += hn::Lanes(d)) {
    largest = Higher(hn::Abs(hn::LoadU(d, values + i)), largest);
  }
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

// group.hi holds the largest magnitudes; whole vectors are derived.
HWY_INLINE void DeriveReciprocals(std::size_t count, BlockGroup& group) {
  const BlockF d;
  const hn::Rebind<std::uint16_t, BlockF> d16;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const BlockV largest = hn::Load(d, group.hi + i);
    const auto is_zero = hn::Eq(largest, hn::Zero(d));
    hn::Store(hn::IfThenZeroElse(is_zero, hn::Div(hn::Set(d, 1.0F), largest)), d,
              group.reciprocal + i);
    hn::Store(EncodeHalf(d, largest), d16, group.scale_bits + i);
  }
}

HWY_INLINE void StoreAbsmax(const Bnb4Output& output, const BlockGroup& group, std::size_t count,
                            std::size_t first, std::size_t stride) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = first + i * stride;
    if (!output.absmax_f32.empty()) output.absmax_f32[at] = group.hi[i];
    if (!output.absmax_f16.empty()) output.absmax_f16[at] = group.scale_bits[i];
  }
}

template <bool kNf4>
HWY_INLINE void CodesOfBlock(const float* values, std::size_t block, float reciprocal,
                             std::uint8_t* codes) {
  const BlockF d;
  const hn::Rebind<std::uint8_t, BlockF> d8;
  const BlockV r = hn::Set(d, reciprocal);
  for (std::size_t i = 0; i < block; i += hn::Lanes(d)) {
    const auto code = Bnb4Code<kNf4>(hn::Mul(hn::LoadU(d, values + i), r));
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + i);
  }
}

template <bool kNf4>
HWY_INLINE void QuantizeRun(std::size_t block, const float* values, std::size_t size,
                            const Bnb4Output& output) {
  constexpr std::uint8_t kZeroCode = kNf4 ? 7 : 0;
  const std::size_t blocks = BlocksOf(size, block);
  const std::size_t tail = size % block;
  alignas(64) float last[kLargestBlock] = {};
  alignas(64) std::uint8_t codes[kLargestBlock];
  alignas(64) std::uint8_t packed[kLargestBlock / 2];
  std::copy_n(values + size - tail, tail, last);
  const auto values_of = [&](std::size_t index) {
    return tail != 0 && index + 1 == blocks ? last : values + index * block;
  };
  BlockGroup group = {};
  for (std::size_t first = 0; first < blocks; first += kGroup) {
    const std::size_t count = std::min(kGroup, blocks - first);
    for (std::size_t i = 0; i < count; ++i) {
      group.hi[i] = LargestMagnitude(values_of(first + i), block);
    }
    DeriveReciprocals(count, group);
    StoreAbsmax(output, group, count, first, 1);
    for (std::size_t i = 0; i < count; ++i) {
      const float* from = values_of(first + i);
      std::uint8_t* to = output.data.data() + (first + i) * block / 2;
      CodesOfBlock<kNf4>(from, block, group.reciprocal[i], codes);
      if (from != last) {
        PackHighFirst(codes, block, to);
      } else {
        codes[tail] = kZeroCode;
        PackHighFirst(codes, block, packed);
        std::copy_n(packed, (tail + 1) / 2, to);
      }
    }
  }
}

// Eight rows of codes in a lane, two a byte, the first in the high half.
template <bool kNf4>
HWY_INLINE hn::Vec<BlockI> PackRows(const float* source, std::size_t stride, BlockV reciprocal) {
  const BlockI di;
  hn::Vec<BlockI> word = hn::Zero(di);
  for (std::size_t pair = 8; pair > 0; pair -= 2) {
    for (const std::size_t row : {pair - 2, pair - 1}) {
      const BlockV value = hn::LoadU(BlockF(), source + row * stride);
      const auto code = Bnb4Code<kNf4>(hn::Mul(value, reciprocal));
      word = hn::Or(hn::ShiftLeft<4>(word), code);
    }
  }
  return word;
}

// One block of each of some columns. `first` is the first column's block.
template <bool kNf4>
HWY_INLINE void QuantizeStrip(const Strip& strip, std::size_t first, std::size_t blocks,
                              const Bnb4Output& output, BlockGroup& group) {
  const BlockF d;
  alignas(64) std::int32_t words[kLargestBlock / 8][kGroup];
  const std::size_t word_count = strip.rows / 8;
  StripRanges(strip, group);
  for (std::size_t c = 0; c < strip.width; ++c) {
    // A range that is upside down has seen nothing but NaN.
    group.hi[c] =
        group.lo[c] > group.hi[c] ? 0.0F : std::max(std::fabs(group.lo[c]), std::fabs(group.hi[c]));
  }
  DeriveReciprocals(strip.width, group);
  StoreAbsmax(output, group, strip.used, first, blocks);
  for (std::size_t c = 0; c < strip.width; c += hn::Lanes(d)) {
    const BlockV reciprocal = hn::Load(d, group.reciprocal + c);
    for (std::size_t word = 0; word < word_count; ++word) {
      const float* from = strip.source + c + 8 * word * strip.stride;
      hn::Store(PackRows<kNf4>(from, strip.stride, reciprocal), BlockI(), words[word] + c);
    }
  }
  for (std::size_t c = 0; c < strip.used; ++c) {
    std::uint8_t* to = output.data.data() + (first + c * blocks) * strip.rows / 2;
    for (std::size_t word = 0; word < word_count; ++word, to += sizeof(std::int32_t)) {
      std::memcpy(to, &words[word][c], sizeof(std::int32_t));
    }
  }
}

template <bool kNf4>
HWY_INLINE void QuantizeColumns(std::size_t block, const float* values, std::size_t k,
                                std::size_t n, const Bnb4Output& output) {
  const std::size_t lanes = hn::Lanes(BlockF());
  const std::size_t whole = n - n % lanes;
  const std::size_t blocks = k / block;
  alignas(64) float copy[kLargestBlock * 16];
  BlockGroup group;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  for (std::size_t index = 0; index < blocks; ++index) {
    const float* source = values + index * block * n;
    for (std::size_t column = 0; column < whole; column += kGroup) {
      const std::size_t width = std::min(kGroup, whole - column);
      QuantizeStrip<kNf4>({source + column, n, block, width, width}, column * blocks + index,
                          blocks, output, group);
    }
    if (whole == n) continue;
    // The last columns fill no vector: reading on would leave the tile with the last row.
    for (std::size_t row = 0; row < block; ++row) {
      std::fill_n(std::copy_n(source + row * n + whole, n - whole, copy + row * lanes),
                  lanes - (n - whole), 0.0F);
    }
    QuantizeStrip<kNf4>({copy, lanes, block, lanes, n - whole}, whole * blocks + index, blocks,
                        output, group);
  }
}

void QuantizeRunSimd(const Bnb4Format& format, const float* values, std::size_t size,
                     const Bnb4Output& output) {
  if (format.type == Bnb4Type::kNf4) {
    QuantizeRun<true>(format.block, values, size, output);
  } else {
    QuantizeRun<false>(format.block, values, size, output);
  }
}

void QuantizeColumnsSimd(const Bnb4Format& format, const float* values, std::size_t k,
                         std::size_t n, const Bnb4Output& output) {
  if (format.type == Bnb4Type::kNf4) {
    QuantizeColumns<true>(format.block, values, k, n, output);
  } else {
    QuantizeColumns<false>(format.block, values, k, n, output);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(QuantizeRunSimd);
HWY_EXPORT(QuantizeColumnsSimd);

namespace {

constexpr std::array<float, 16> kFp4Levels = {
    0.0F,  5.208333333e-03F,  0.66666667F,  1.0F,  0.33333333F,  0.5F,  0.16666667F,  0.25F,
    -0.0F, -5.208333333e-03F, -0.66666667F, -1.0F, -0.33333333F, -0.5F, -0.16666667F, -0.25F};

constexpr std::array<float, 16> kNf4Levels = {-1.0F,
                                              -0.6961928009986877F,
                                              -0.5250730514526367F,
                                              -0.39491748809814453F,
                                              -0.28444138169288635F,
                                              -0.18477343022823334F,
                                              -0.09105003625154495F,
                                              0.0F,
                                              0.07958029955625534F,
                                              0.16093020141124725F,
                                              0.24611230194568634F,
                                              0.33791524171829224F,
                                              0.44070982933044434F,
                                              0.5626170039176941F,
                                              0.7229568362236023F,
                                              1.0F};

// Only what the format asks for: the kernels write what has room.
Bnb4Output CheckedOutput(const Bnb4Format& format, std::size_t count, const Bnb4Output& output) {
  const Bnb4Sizes sizes = Bnb4SizesOf(format, count);
  Bnb4Output checked;
  checked.data = output.data;
  HWY_ASSERT(output.data.size() == sizes.data_bytes);
  if (format.scale == ScaleType::kFloat32) {
    HWY_ASSERT(output.absmax_f32.size() == sizes.absmax_count);
    checked.absmax_f32 = output.absmax_f32;
  } else {
    HWY_ASSERT(output.absmax_f16.size() == sizes.absmax_count);
    checked.absmax_f16 = output.absmax_f16;
  }
  return checked;
}

}  // namespace

const std::array<float, 16>& Bnb4Levels(Bnb4Type type) {
  return type == Bnb4Type::kNf4 ? kNf4Levels : kFp4Levels;
}

Bnb4Sizes Bnb4SizesOf(const Bnb4Format& format, std::size_t count) {
  HWY_ASSERT(format.block >= 16 && format.block <= kLargestBlock);
  HWY_ASSERT(std::has_single_bit(format.block));
  return {(count + 1) / 2, BlocksOf(count, format.block)};
}

void QuantizeBnb4(const Bnb4Format& format, absl::Span<const float> values,
                  const Bnb4Output& output) {
  const Bnb4Output checked = CheckedOutput(format, values.size(), output);
  HWY_DYNAMIC_DISPATCH(QuantizeRunSimd)(format, values.data(), values.size(), checked);
}

void QuantizeBnb4Columns(const Bnb4Format& format, absl::Span<const float> rows, std::size_t k,
                         std::size_t n, const Bnb4Output& output) {
  const Bnb4Output checked = CheckedOutput(format, rows.size(), output);
  HWY_ASSERT(rows.size() == k * n);
  HWY_ASSERT(k % format.block == 0);
  HWY_DYNAMIC_DISPATCH(QuantizeColumnsSimd)(format, rows.data(), k, n, checked);
}

std::size_t Bnb4ColumnStep(std::size_t block, std::size_t k) {
  return block / std::gcd(block, k);
}

void TransposeRows(absl::Span<const float> values, std::size_t rows, std::size_t columns,
                   absl::Span<float> transposed) {
  HWY_ASSERT(values.size() == rows * columns);
  HWY_ASSERT(transposed.size() == values.size());
  constexpr std::size_t kSide = 16;  // squares whose rows are whole cache lines on either side
  for (std::size_t r = 0; r < rows; r += kSide) {
    for (std::size_t c = 0; c < columns; c += kSide) {
      for (std::size_t j = c; j < std::min(columns, c + kSide); ++j) {
        for (std::size_t i = r; i < std::min(rows, r + kSide); ++i) {
          transposed[j * rows + i] = values[i * columns + j];
        }
      }
    }
  }
}

void DequantizeBnb4(const Bnb4Format& format, absl::Span<const std::uint8_t> data,
                    absl::Span<const float> absmax, absl::Span<float> values) {
  const Bnb4Sizes sizes = Bnb4SizesOf(format, values.size());
  HWY_ASSERT(data.size() == sizes.data_bytes);
  HWY_ASSERT(absmax.size() == sizes.absmax_count);
  const std::array<float, 16>& levels = Bnb4Levels(format.type);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int code = i % 2 == 0 ? data[i / 2] >> 4 : data[i / 2] & 15;
    values[i] = levels[static_cast<std::size_t>(code)] * absmax[i / format.block];
  }
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
