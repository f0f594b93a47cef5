#include "lib/kernels/integer_quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lib/kernels/double.h"
#include "lib/kernels/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/integer_quantize.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A range a lane, of values of different columns or of one span.
struct LaneRanges {
  VF lo, hi;
  VF nan;  // NaN once there was one, else 0

  HWY_INLINE LaneRanges()
      : lo(hn::Set(DF(), kInfinity)), hi(hn::Set(DF(), -kInfinity)), nan(hn::Zero(DF())) {}
  HWY_INLINE void See(VF value) {
    lo = hn::IfThenElse(hn::Lt(value, lo), value, lo);
    hi = hn::IfThenElse(hn::Gt(value, hi), value, hi);
    nan = hn::IfThenElse(hn::Eq(value, value), nan, value);
  }
  HWY_INLINE VF Lo() const { return hn::Add(lo, nan); }
};

HWY_INLINE void Widen(float lo, float hi, ValueRange& range) {
  range.Merge({lo, hi});
}

void RangeSimd(const float* values, std::size_t size, ValueRange& range) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  LaneRanges r0, r1, r2, r3;
  std::size_t i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    r0.See(hn::LoadU(d, values + i));
    r1.See(hn::LoadU(d, values + i + lanes));
    r2.See(hn::LoadU(d, values + i + 2 * lanes));
    r3.See(hn::LoadU(d, values + i + 3 * lanes));
  }
  for (; i + lanes <= size; i += lanes) r0.See(hn::LoadU(d, values + i));
  if (i < size) {
    // The first of the rest fills the vector: it changes no range.
    HWY_ALIGN float rest[hn::MaxLanes(d)];
    std::fill_n(std::copy_n(values + i, size - i, rest), lanes - (size - i), values[i]);
    r0.See(hn::Load(d, rest));
  }
  for (const LaneRanges* ranges : {&r0, &r1, &r2, &r3}) {
    HWY_ALIGN float lo[hn::MaxLanes(d)];
    HWY_ALIGN float hi[hn::MaxLanes(d)];
    hn::Store(ranges->Lo(), d, lo);
    hn::Store(ranges->hi, d, hi);
    for (std::size_t lane = 0; lane < lanes; ++lane) Widen(lo[lane], hi[lane], range);
  }
}

void ColumnRangesSimd(const float* values, std::size_t rows, std::size_t columns,
                      ValueRange* ranges) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN float lo[2 * hn::MaxLanes(d)];
  HWY_ALIGN float hi[2 * hn::MaxLanes(d)];
  std::size_t column = 0;
  // Two vectors of a row at a time, to use whole cache lines.
  for (; column + 2 * lanes <= columns; column += 2 * lanes) {
    LaneRanges r0, r1;
    const float* from = values + column;
    for (std::size_t row = 0; row < rows; ++row, from += columns) {
      r0.See(hn::LoadU(d, from));
      r1.See(hn::LoadU(d, from + lanes));
    }
    hn::Store(r0.Lo(), d, lo);
    hn::Store(r1.Lo(), d, lo + lanes);
    hn::Store(r0.hi, d, hi);
    hn::Store(r1.hi, d, hi + lanes);
    for (std::size_t i = 0; i < 2 * lanes; ++i) Widen(lo[i], hi[i], ranges[column + i]);
  }
  for (; column < columns; ++column) {
    for (std::size_t row = 0; row < rows; ++row) {
      const float value = values[row * columns + column];
      Widen(value, value, ranges[column]);
    }
  }
}

template <typename Byte>
struct Code {
  static constexpr float kLowest = std::numeric_limits<Byte>::min();
  static constexpr float kHighest = std::numeric_limits<Byte>::max();

  static HWY_INLINE VI Of(VF value, VF scale, VF zero_point) {
    const DF d;
    VF code = hn::Add(hn::Round(hn::Div(value, scale)), zero_point);
    code = hn::IfThenElseZero(hn::Eq(code, code), code);
    code = hn::Min(hn::Max(code, hn::Set(d, kLowest)), hn::Set(d, kHighest));
    return hn::ConvertTo(DI(), code);
  }
};

// The codes of `size` values with scale(i) and zero_point(i) for the vector that begins at i.
template <typename Byte, class Parameter>
HWY_INLINE void QuantizeSimd(const float* values, std::size_t size, const Parameter& scale,
                             const Parameter& zero_point, Byte* codes) {
  const DF d;
  const hn::Rebind<Byte, DF> d8;
  const std::size_t lanes = hn::Lanes(d);
  const auto code = [&](const float* at, std::size_t i) HWY_ATTR {
    return hn::DemoteTo(d8, Code<Byte>::Of(hn::LoadU(d, at), scale(i), zero_point(i)));
  };
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) hn::StoreU(code(values + i, i), d8, codes + i);
  if (i == size) return;
  HWY_ALIGN float rest[hn::MaxLanes(d)] = {};
  HWY_ALIGN Byte rest_codes[hn::MaxLanes(d)];
  std::copy_n(values + i, size - i, rest);
  hn::StoreU(code(rest, i), d8, rest_codes);
  std::copy_n(rest_codes, size - i, codes + i);
}

template <typename Byte>
HWY_INLINE void QuantizeSpan(const IntegerScale& scale, const float* values, std::size_t size,
                             Byte* codes) {
  const DF d;
  const auto same = [](VF value)
                        HWY_ATTR { return [value](std::size_t) HWY_ATTR { return value; }; };
  QuantizeSimd(values, size, same(hn::Set(d, scale.scale)),
               same(hn::Set(d, static_cast<float>(scale.zero_point))), codes);
}

// `scales` and `zero_points` are readable for a vector beyond their ends.
template <typename Byte>
HWY_INLINE void QuantizeRows(const float* scales, const float* zero_points, const float* values,
                             std::size_t rows, std::size_t columns, Byte* codes) {
  const auto from = [](const float* numbers) HWY_ATTR {
    return [numbers](std::size_t i) HWY_ATTR { return hn::LoadU(DF(), numbers + i); };
  };
  for (std::size_t row = 0; row < rows; ++row) {
    QuantizeSimd(values + row * columns, columns, from(scales), from(zero_points),
                 codes + row * columns);
  }
}

void QuantizeIntegersSimd(IntegerType type, const IntegerScale& scale, const float* values,
                          std::size_t size, std::uint8_t* codes) {
  if (type == IntegerType::kUint8) {
    QuantizeSpan(scale, values, size, codes);
  } else {
    QuantizeSpan(scale, values, size, reinterpret_cast<std::int8_t*>(codes));
  }
}

void QuantizeIntegerColumnsSimd(IntegerType type, const float* scales, const float* zero_points,
                                const float* values, std::size_t rows, std::size_t columns,
                                std::uint8_t* codes) {
  if (type == IntegerType::kUint8) {
    QuantizeRows(scales, zero_points, values, rows, columns, codes);
  } else {
    QuantizeRows(scales, zero_points, values, rows, columns, reinterpret_cast<std::int8_t*>(codes));
  }
}

// How far QuantizeIntegerColumnsSimd reads beyond the ends.
std::size_t VectorLanes() {
  return hn::Lanes(DF());
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(RangeSimd);
HWY_EXPORT(ColumnRangesSimd);
HWY_EXPORT(QuantizeIntegersSimd);
HWY_EXPORT(QuantizeIntegerColumnsSimd);
HWY_EXPORT(VectorLanes);

namespace {

float RoundToHalf(float value) {
  float rounded = 0;
  kernels::RoundToHalf({&value, 1}, {&rounded, 1}, OverflowMode::kInfinity);
  return rounded;
}

float RoundTo(double value, ScaleType type) {
  if (type == ScaleType::kFloat32) return static_cast<float>(value);
  float odd = 0;  // for one rounding, not two
  DoubleToOddFloat({&value, 1}, {&odd, 1});
  return RoundToHalf(odd);
}

}  // namespace

CodeRange CodeRangeOf(const IntegerFormat& format) {
  if (format.type == IntegerType::kUint8) return {0, format.reduce_range ? 127 : 255};
  if (format.reduce_range) return {-64, 64};
  return {format.symmetric ? -127 : -128, 127};
}

void ValueRange::Merge(const ValueRange& other) {
  if (other.lo < lo || std::isnan(other.lo)) lo = other.lo;
  if (other.hi > hi) hi = other.hi;
}

void ExtendRange(absl::Span<const float> values, ValueRange& range) {
  HWY_DYNAMIC_DISPATCH(RangeSimd)(values.data(), values.size(), range);
}

void ExtendColumnRanges(absl::Span<const float> rows, absl::Span<ValueRange> ranges) {
  if (rows.empty()) return;
  HWY_ASSERT(!ranges.empty() && rows.size() % ranges.size() == 0);
  HWY_DYNAMIC_DISPATCH(ColumnRangesSimd)
  (rows.data(), rows.size() / ranges.size(), ranges.size(), ranges.data());
}

std::optional<IntegerScale> IntegerScaleOf(const IntegerFormat& format, const ValueRange& range,
                                           ScaleType type) {
  if (std::isnan(range.lo)) return std::nullopt;
  const CodeRange codes = CodeRangeOf(format);
  float lo = std::min(range.lo, 0.0F);
  float hi = std::max(range.hi, 0.0F);
  if (format.symmetric) {
    hi = std::max(-lo, hi);
    lo = -hi;
  }
  float width = hi - lo;
  if (type == ScaleType::kFloat16) width = RoundToHalf(width);
  if (!std::isfinite(width)) return std::nullopt;
  const double scale = static_cast<double>(width) / (codes.highest - codes.lowest);
  if (scale < (type == ScaleType::kFloat32 ? 0x1p-126 : 0x1p-14)) return IntegerScale{};
  const double zero_point = format.symmetric
                                ? std::nearbyint((codes.lowest + codes.highest) / 2.0)
                                : std::nearbyint(codes.lowest - static_cast<double>(lo) / scale);
  return IntegerScale{RoundTo(scale, type), static_cast<int>(zero_point)};
}

void QuantizeIntegers(IntegerType type, const IntegerScale& scale, absl::Span<const float> values,
                      absl::Span<std::uint8_t> codes) {
  HWY_ASSERT(values.size() == codes.size());
  HWY_DYNAMIC_DISPATCH(QuantizeIntegersSimd)
  (type, scale, values.data(), values.size(), codes.data());
}

void QuantizeIntegerColumns(IntegerType type, absl::Span<const IntegerScale> scales,
                            absl::Span<const float> rows, absl::Span<std::uint8_t> codes) {
  HWY_ASSERT(rows.size() == codes.size());
  if (rows.empty()) return;
  HWY_ASSERT(!scales.empty() && rows.size() % scales.size() == 0);
  const std::size_t columns = scales.size();
  const std::size_t readable = columns + HWY_DYNAMIC_DISPATCH(VectorLanes)();
  std::vector<float> numbers(readable, 1.0F);
  std::vector<float> zero_points(readable, 0.0F);
  for (std::size_t column = 0; column < columns; ++column) {
    numbers[column] = scales[column].scale;
    zero_points[column] = static_cast<float>(scales[column].zero_point);
  }
  HWY_DYNAMIC_DISPATCH(QuantizeIntegerColumnsSimd)
  (type, numbers.data(), zero_points.data(), rows.data(),
   rows.size() / columns,  // NOLINT(clang-analyzer-core.DivideZero): asserted above
   columns, codes.data());
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
