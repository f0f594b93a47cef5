#include "lib/kernels/float8.h"

#include <algorithm>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/float8.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

using D8 = hn::Rebind<std::uint8_t, DF>;

// Bounds on the bits of |x|, which order as the values do.
struct E4M3FN {
  static constexpr int kFractionBits = 3;
  static constexpr int kBias = 7;
  static constexpr std::int32_t kLargest = 0x43E00000;        // 448
  static constexpr std::int32_t kFirstOverflow = 0x43E80001;  // 464 ties to the even 448
  static constexpr std::int32_t kLastZero = 0x3A800000;       // 2^-10 ties to zero
  static constexpr std::int32_t kNaN = 0x7F;
  static constexpr float kSubnormalUnit = 0x1p-9F;
};

struct E5M2 {
  static constexpr int kFractionBits = 2;
  static constexpr int kBias = 15;
  static constexpr std::int32_t kLargest = 0x47600000;        // 57344
  static constexpr std::int32_t kFirstOverflow = 0x47700000;  // 61440 ties to the even infinity
  static constexpr std::int32_t kLastZero = 0x37000000;       // 2^-17 ties to zero
  static constexpr std::int32_t kNaN = 0x7E;
  static constexpr float kSubnormalUnit = 0x1p-16F;
};

// As for fp16 (half-inl.h): normal results are rounded by adding just under half of the last kept
// bit, and that bit; subnormal ones by the adder, next to a number whose last bit is worth as much
// as theirs.
template <class Type>
HWY_INLINE VI Encode(VF value) {
  constexpr int kShift = 23 - Type::kFractionBits;
  const DF d;
  const DI di;
  const VI bits = hn::BitCast(di, value);
  const VI any_magnitude = hn::And(bits, hn::Set(di, 0x7FFFFFFF));
  const VI sign =
      hn::And(hn::BitCast(di, hn::ShiftRight<24>(hn::BitCast(hn::RebindToUnsigned<DF>(), bits))),
              hn::Set(di, 0x80));
  const VI magnitude = hn::Min(any_magnitude, hn::Set(di, Type::kLargest));
  const VI odd = hn::And(hn::ShiftRight<kShift>(magnitude), hn::Set(di, 1));
  const VI just_under = hn::Set(di, (1 << (kShift - 1)) - 1 - ((127 - Type::kBias) << 23));
  const VI rounded = hn::ShiftRight<kShift>(hn::Add(hn::Add(magnitude, odd), just_under));
  const VF unit = hn::Set(d, Type::kSubnormalUnit * 0x1p23F);
  const VI subnormal =
      hn::Sub(hn::BitCast(di, hn::Add(hn::BitCast(d, magnitude), unit)), hn::BitCast(di, unit));
  const auto is_subnormal = hn::Lt(magnitude, hn::Set(di, (128 - Type::kBias) << 23));
  const VI number = hn::IfThenElse(is_subnormal, subnormal, rounded);
  const auto is_nan = hn::Gt(any_magnitude, hn::Set(di, 0x7F800000));
  return hn::Or(sign, hn::IfThenElse(is_nan, hn::Set(di, Type::kNaN), number));
}

// The fields at float32's places are a number that is 2^(127 - bias) times too small; the largest
// exponent is E5M2's infinity and NaN, the largest code alone E4M3FN's NaN.
template <class Type>
HWY_INLINE VF Decode(VI codes) {
  const DF d;
  const DI di;
  const VI magnitude = hn::And(codes, hn::Set(di, 0x7F));
  const VF small = hn::BitCast(d, hn::ShiftLeft<23 - Type::kFractionBits>(magnitude));
  const VF factor = hn::BitCast(d, hn::Set(di, (254 - Type::kBias) << 23));
  VI number = hn::BitCast(di, hn::Mul(small, factor));
  if constexpr (Type::kFractionBits == 2) {
    const auto is_infinite = hn::Eq(magnitude, hn::Set(di, 0x7C));
    number = hn::IfThenElse(is_infinite, hn::Set(di, 0x7F800000), number);
    number = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7C)), hn::Set(di, 0x7FC00000), number);
  } else {
    number = hn::IfThenElse(hn::Eq(magnitude, hn::Set(di, 0x7F)), hn::Set(di, 0x7FC00000), number);
  }
  const VI sign = hn::ShiftLeft<24>(hn::And(codes, hn::Set(di, 0x80)));
  return hn::BitCast(d, hn::Or(number, sign));
}

template <class Type>
NarrowStats Narrow(const float* in, std::size_t size, std::uint8_t* out) {
  const DF d;
  const D8 d8;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = size - size % lanes;
  NarrowStats stats;
  std::size_t i = 0;
  while (i < whole) {
    const std::size_t end = i + std::min(whole - i, std::size_t{1} << 30);  // lanes are 32 bits
    LaneStats lane_stats;
    for (; i < end; i += lanes) {
      const VF value = lane_stats.See<Type, false>(hn::LoadU(d, in + i));
      hn::StoreU(hn::DemoteTo(d8, Encode<Type>(value)), d8, out + i);
    }
    lane_stats.MergeInto(stats);
  }
  if (whole == size) return stats;
  HWY_ALIGN float rest[hn::MaxLanes(d)] = {};  // zeros count for nothing
  HWY_ALIGN std::uint8_t rest_out[hn::MaxLanes(d)];
  std::copy_n(in + whole, size - whole, rest);
  LaneStats lane_stats;
  const VF value = lane_stats.See<Type, false>(hn::LoadU(d, rest));
  hn::StoreU(hn::DemoteTo(d8, Encode<Type>(value)), d8, rest_out);
  lane_stats.MergeInto(stats);
  std::copy_n(rest_out, size - whole, out + whole);
  return stats;
}

template <class Type>
void Widen(const std::uint8_t* in, std::size_t size, float* out) {
  const DF d;
  const DI di;
  const D8 d8;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(Decode<Type>(hn::PromoteTo(di, hn::LoadU(d8, in + i))), d, out + i);
  }
  if (i == size) return;
  HWY_ALIGN std::uint8_t rest[hn::MaxLanes(d)] = {};
  HWY_ALIGN float rest_out[hn::MaxLanes(d)];
  std::copy_n(in + i, size - i, rest);
  hn::StoreU(Decode<Type>(hn::PromoteTo(di, hn::LoadU(d8, rest))), d, rest_out);
  std::copy_n(rest_out, size - i, out + i);
}

NarrowStats NarrowSimd(Float8Type type, const float* in, std::size_t size, std::uint8_t* out) {
  return type == Float8Type::kE4M3FN ? Narrow<E4M3FN>(in, size, out) : Narrow<E5M2>(in, size, out);
}

void WidenSimd(Float8Type type, const std::uint8_t* in, std::size_t size, float* out) {
  if (type == Float8Type::kE4M3FN) {
    Widen<E4M3FN>(in, size, out);
  } else {
    Widen<E5M2>(in, size, out);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(NarrowSimd);
HWY_EXPORT(WidenSimd);

NarrowStats FloatToFloat8(Float8Type type, absl::Span<const float> in,
                          absl::Span<std::uint8_t> out) {
  HWY_ASSERT(in.size() == out.size());
  return HWY_DYNAMIC_DISPATCH(NarrowSimd)(type, in.data(), in.size(), out.data());
}

void Float8ToFloat(Float8Type type, absl::Span<const std::uint8_t> in, absl::Span<float> out) {
  HWY_ASSERT(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(WidenSimd)(type, in.data(), in.size(), out.data());
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
