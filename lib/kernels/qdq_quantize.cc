#include "lib/kernels/qdq_quantize.h"

#include <algorithm>
#include <vector>

#include "lib/kernels/block_tile.h"
#include "lib/kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/qdq_quantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"
#include "lib/kernels/block_strip-inl.h"
#include "lib/kernels/flat_packer-inl.h"
#include "lib/kernels/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

void ColumnRangesSimd(const float* values, std::size_t rows, std::size_t columns,
                      QdqRange* ranges) {
  const std::size_t whole = columns - columns % hn::Lanes(BlockF());
  BlockGroup group;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
  for (std::size_t first = 0; first < whole; first += kGroup) {
    const std::size_t width = std::min(kGroup, whole - first);
    StripRanges({values + first, columns, rows, width, width}, group);
    for (std::size_t i = 0; i < width; ++i) {
      QdqRange& range = ranges[first + i];
      range.lo = group.lo[i] < range.lo ? group.lo[i] : range.lo;
      range.hi = group.hi[i] > range.hi ? group.hi[i] : range.hi;
    }
  }
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = whole; column < columns; ++column) {
      const float value = values[row * columns + column];
      QdqRange& range = ranges[column];
      range.lo = value < range.lo ? value : range.lo;
      range.hi = value > range.hi ? value : range.hi;
    }
  }
}

// Where the scales of a group of blocks go.
HWY_INLINE void StoreGroup(const QdqFormat& format, const BlockGroup& group, std::size_t count,
                           std::size_t first, const QdqScales& scales) {
  if (format.scale == ScaleType::kFloat16) {
    std::copy_n(group.scale_bits, count, scales.f16.data() + first);
  } else {
    std::copy_n(group.scale, count, scales.f32.data() + first);
  }
  if (format.symmetric) return;
  for (std::size_t i = 0; i < count; ++i) {
    scales.zero_points[first + i] = static_cast<std::uint8_t>(group.zero_point[i]);
  }
}

template <int kBits>
void ScalesOf(const QdqFormat& format, absl::Span<const QdqRange> ranges, const QdqScales& scales) {
  BlockGroup group = {};
  for (std::size_t first = 0; first < ranges.size(); first += kGroup) {
    const std::size_t count = std::min(kGroup, ranges.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      group.lo[i] = ranges[first + i].lo;
      group.hi[i] = ranges[first + i].hi;
    }
    DeriveScales<kBits>(format.symmetric, format.scale == ScaleType::kFloat16, count, group);
    StoreGroup(format, group, count, first, scales);
  }
}

// `flip` makes the code with the zero point in the middle a signed one.
template <int kBits>
HWY_INLINE hn::Vec<BlockI> QdqCode(BlockV value, BlockV reciprocal, hn::Vec<BlockI> zero_point,
                                   hn::Vec<BlockI> flip) {
  const BlockF d;
  const BlockI di;
  const BlockV exact = hn::Mul(value, reciprocal);
  const BlockV magnitude = hn::Abs(exact);
  const auto fits = hn::RebindMask(di, hn::Lt(magnitude, hn::Set(d, 0x1p31F)));
  const BlockV bounded = hn::Min(magnitude, hn::Set(d, 1024.0F));
  const auto rounded =
      hn::ConvertTo(di, hn::CopySign(hn::Add(bounded, hn::Set(d, 0x1.fffffep-2F)), exact));
  const auto code =
      hn::Max(hn::Min(hn::Add(rounded, zero_point), hn::Set(di, Codes<kBits>::kMax)), hn::Zero(di));
  return hn::Xor(hn::IfThenElseZero(fits, code), flip);
}

// The codes of `size` values, a byte each, with parameters(i, reciprocal, zero_point) for the
// vector that begins at i. Writes whole vectors.
template <int kBits, class Parameters>
HWY_INLINE void CodesOf(const float* values, std::size_t size, bool symmetric,
                        const Parameters& parameters, std::uint8_t* codes) {
  const BlockF d;
  const BlockI di;
  const hn::Rebind<std::uint8_t, BlockF> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto flip = hn::Set(di, symmetric ? Codes<kBits>::kMid : 0);
  const auto quantize = [&](const float* at, std::size_t i) HWY_ATTR {
    BlockV reciprocal = hn::Undefined(d);
    hn::Vec<BlockI> zero_point = hn::Undefined(di);
    parameters(i, reciprocal, zero_point);
    const auto code = QdqCode<kBits>(hn::LoadU(d, at), reciprocal, zero_point, flip);
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + i);
  };
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) quantize(values + i, i);
  if (i == size) return;
  alignas(64) float rest[16] = {};
  std::copy_n(values + i, size - i, rest);
  quantize(rest, i);
}

// `reciprocals` and `zero_points` of the columns are readable for a vector beyond their ends.
template <int kBits>
void QuantizeColumns(bool symmetric, const float* reciprocals, const std::int32_t* zero_points,
                     const float* values, std::size_t rows, std::size_t columns,
                     std::uint8_t* data) {
  FlatPacker<kBits> packer(data);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t first = 0; first < columns; first += packer.kPiece) {
      const std::size_t count = std::min(packer.kPiece, columns - first);
      CodesOf<kBits>(
          values + row * columns + first, count, symmetric,
          [&](std::size_t i, BlockV& reciprocal, hn::Vec<BlockI>& zero_point) HWY_ATTR {
            reciprocal = hn::LoadU(BlockF(), reciprocals + first + i);
            zero_point = hn::LoadU(BlockI(), zero_points + first + i);
          },
          packer.Room());
      packer.Add(count);
    }
  }
  packer.Finish();
}

template <int kBits>
void QuantizeRows(const QdqFormat& format, std::size_t block, const float* values, std::size_t rows,
                  std::size_t columns, std::uint8_t* data, const QdqScales& scales) {
  FlatPacker<kBits> packer(data);
  const std::size_t blocks = BlocksOf(columns, block);
  BlockGroup group = {};
  for (std::size_t row = 0; row < rows; ++row) {
    const float* of_row = values + row * columns;
    for (std::size_t first = 0; first < blocks; first += kGroup) {
      const std::size_t count = std::min(kGroup, blocks - first);
      const auto size_of = [&](std::size_t i) {
        return std::min(block, columns - (first + i) * block);
      };
      for (std::size_t i = 0; i < count; ++i) {
        SpanRange(of_row + (first + i) * block, size_of(i), group.lo[i], group.hi[i]);
      }
      DeriveScales<kBits>(format.symmetric, format.scale == ScaleType::kFloat16, count, group);
      StoreGroup(format, group, count, row * blocks + first, scales);
      for (std::size_t i = 0; i < count; ++i) {
        const BlockV r = hn::Set(BlockF(), group.reciprocal[i]);
        const auto zp = hn::Set(BlockI(), static_cast<std::int32_t>(group.zero_point[i]));
        for (std::size_t at = 0; at < size_of(i); at += packer.kPiece) {
          const std::size_t piece = std::min(packer.kPiece, size_of(i) - at);
          CodesOf<kBits>(
              of_row + (first + i) * block + at, piece, format.symmetric,
              [&](std::size_t, BlockV& reciprocal, hn::Vec<BlockI>& zero_point) HWY_ATTR {
                reciprocal = r;
                zero_point = zp;
              },
              packer.Room());
          packer.Add(piece);
        }
      }
    }
  }
  packer.Finish();
}

template <int kBits>
void PackAll(const std::uint8_t* codes, std::size_t count, std::uint8_t* packed) {
  constexpr std::size_t kPack = 8 / kBits;
  const std::size_t whole = count - count % kPack;
  PackCodes<kBits>(codes, whole, packed);
  if (whole == count) return;
  std::uint8_t rest[kPack] = {};
  std::copy_n(codes + whole, count - whole, rest);
  PackCodes<kBits>(rest, kPack, packed + whole / kPack);
}

template <int kBits>
struct Width {
  static constexpr int bits = kBits;
};

template <class Action>
HWY_INLINE void WithBits(int bits, const Action& action) {
  if (bits == 2) return action(Width<2>());
  if (bits == 4) return action(Width<4>());
  action(Width<8>());
}

void ScalesSimd(const QdqFormat& format, absl::Span<const QdqRange> ranges,
                const QdqScales& scales) {
  WithBits(format.bits, [&](auto width) { ScalesOf<width.bits>(format, ranges, scales); });
}

void QuantizeColumnsSimd(const QdqFormat& format, const float* reciprocals,
                         const std::int32_t* zero_points, const float* values, std::size_t rows,
                         std::size_t columns, std::uint8_t* data) {
  WithBits(format.bits, [&](auto width) {
    QuantizeColumns<width.bits>(format.symmetric, reciprocals, zero_points, values, rows, columns,
                                data);
  });
}

void QuantizeRowsSimd(const QdqFormat& format, std::size_t block, const float* values,
                      std::size_t rows, std::size_t columns, std::uint8_t* data,
                      const QdqScales& scales) {
  WithBits(format.bits, [&](auto width) {
    QuantizeRows<width.bits>(format, block, values, rows, columns, data, scales);
  });
}

void PackFlatSimd(int bits, const std::uint8_t* codes, std::size_t count, std::uint8_t* packed) {
  WithBits(bits, [&](auto width) { PackAll<width.bits>(codes, count, packed); });
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(ColumnRangesSimd);
HWY_EXPORT(ScalesSimd);
HWY_EXPORT(QuantizeColumnsSimd);
HWY_EXPORT(QuantizeRowsSimd);
HWY_EXPORT(PackFlatSimd);

namespace {

constexpr std::size_t kLargestVector = 16;  // lanes of float32

bool IsHalf(const QdqFormat& format) {
  return format.scale == ScaleType::kFloat16;
}

void CheckSizes(const QdqFormat& format, const QdqScales& scales, std::size_t blocks) {
  HWY_ASSERT(format.bits == 2 || format.bits == 4 || format.bits == 8);
  HWY_ASSERT((IsHalf(format) ? scales.f16.size() : scales.f32.size()) == blocks);
  HWY_ASSERT(scales.zero_points.size() == (format.symmetric ? 0 : blocks));
}

// The scales and zero points of the blocks from `first` on.
QdqScales PartOf(const QdqFormat& format, const QdqScales& scales, std::size_t first,
                 std::size_t count) {
  QdqScales part;
  if (IsHalf(format)) {
    part.f16 = scales.f16.subspan(first, count);
  } else {
    part.f32 = scales.f32.subspan(first, count);
  }
  if (!format.symmetric) part.zero_points = scales.zero_points.subspan(first, count);
  return part;
}

}  // namespace

std::size_t PackedBytes(int bits, std::size_t count) {
  return (count * static_cast<std::size_t>(bits) + 7) / 8;
}

void ExtendQdqRanges(absl::Span<const float> rows, absl::Span<QdqRange> ranges) {
  if (rows.empty()) return;
  HWY_ASSERT(!ranges.empty() && rows.size() % ranges.size() == 0);
  HWY_DYNAMIC_DISPATCH(ColumnRangesSimd)
  (rows.data(), rows.size() / ranges.size(), ranges.size(), ranges.data());
}

void QdqScalesOf(const QdqFormat& format, absl::Span<const QdqRange> ranges,
                 const QdqScales& scales) {
  CheckSizes(format, scales, ranges.size());
  HWY_DYNAMIC_DISPATCH(ScalesSimd)(format, ranges, scales);
}

void QuantizeQdqWithScales(const QdqFormat& format, const QdqScales& scales,
                           absl::Span<const float> rows, std::size_t k, std::size_t n,
                           absl::Span<std::uint8_t> data) {
  CheckSizes(format, scales, n);
  HWY_ASSERT(rows.size() == k * n);
  HWY_ASSERT(data.size() == PackedBytes(format.bits, k * n));
  std::vector<float> reciprocals(n + kLargestVector);
  std::vector<std::int32_t> zero_points(n + kLargestVector, 1 << (format.bits - 1));
  if (IsHalf(format)) {
    HalfToFloat(scales.f16, absl::MakeSpan(reciprocals).first(n));
  } else {
    std::copy(scales.f32.begin(), scales.f32.end(), reciprocals.begin());
  }
  for (float& number : reciprocals) number = number != 0.0F ? 1.0F / number : 0.0F;
  std::copy(scales.zero_points.begin(), scales.zero_points.end(), zero_points.begin());
  HWY_DYNAMIC_DISPATCH(QuantizeColumnsSimd)
  (format, reciprocals.data(), zero_points.data(), rows.data(), k, n, data.data());
}

void QuantizeQdqColumns(const QdqFormat& format, std::size_t block, absl::Span<const float> rows,
                        std::size_t k, std::size_t n, absl::Span<std::uint8_t> data,
                        const QdqScales& scales) {
  HWY_ASSERT(block != 0);
  CheckSizes(format, scales, BlocksOf(k, block) * n);
  HWY_ASSERT(rows.size() == k * n);
  HWY_ASSERT(data.size() == PackedBytes(format.bits, k * n));
  // Each block but the last must end with a byte.
  HWY_ASSERT(k <= block || block * n * static_cast<std::size_t>(format.bits) % 8 == 0);
  std::vector<QdqRange> ranges(n);
  for (std::size_t first = 0; first < k; first += block) {
    const std::size_t count = std::min(block, k - first);
    const absl::Span<const float> part = rows.subspan(first * n, count * n);
    std::fill(ranges.begin(), ranges.end(), QdqRange());
    ExtendQdqRanges(part, absl::MakeSpan(ranges));
    const QdqScales of_block = PartOf(format, scales, first / block * n, n);
    QdqScalesOf(format, ranges, of_block);
    QuantizeQdqWithScales(
        format, of_block, part, count, n,
        data.subspan(PackedBytes(format.bits, first * n), PackedBytes(format.bits, count * n)));
  }
}

void QuantizeQdqRows(const QdqFormat& format, std::size_t block, absl::Span<const float> rows,
                     std::size_t k, std::size_t n, absl::Span<std::uint8_t> data,
                     const QdqScales& scales) {
  HWY_ASSERT(block != 0);
  CheckSizes(format, scales, k * BlocksOf(n, block));
  HWY_ASSERT(rows.size() == k * n);
  HWY_ASSERT(data.size() == PackedBytes(format.bits, k * n));
  HWY_DYNAMIC_DISPATCH(QuantizeRowsSimd)(format, block, rows.data(), k, n, data.data(), scales);
}

void PackFlat(int bits, absl::Span<const std::uint8_t> codes, absl::Span<std::uint8_t> packed) {
  HWY_ASSERT(packed.size() == PackedBytes(bits, codes.size()));
  HWY_DYNAMIC_DISPATCH(PackFlatSimd)(bits, codes.data(), codes.size(), packed.data());
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
