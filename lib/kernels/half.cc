#include "lib/kernels/half.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/half.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/kernels/half-inl.h"
#include "lib/kernels/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {

// Bounds on the bits of |x|, which order as the values do.
struct HalfTraits {
  static constexpr std::int32_t kLargest = 0x477FE000;        // 65504
  static constexpr std::int32_t kFirstOverflow = 0x477FF000;  // 65520 ties to the even infinity
  static constexpr std::int32_t kLastZero = 0x33000000;       // 2^-25 ties to zero
  template <class DF>
  static HWY_INLINE HalfBits<DF> Encode(DF d, hn::Vec<DF> value) {
    return EncodeHalf(d, value);
  }
};

struct BFloat16Traits {
  static constexpr std::int32_t kLargest = 0x7F7F0000;
  static constexpr std::int32_t kFirstOverflow = 0x7F7F8000;
  static constexpr std::int32_t kLastZero = 0x00008000;
  template <class DF>
  static HWY_INLINE HalfBits<DF> Encode(DF d, hn::Vec<DF> value) {
    return EncodeBFloat16(d, value);
  }
};

using D16 = hn::Rebind<std::uint16_t, DF>;

HWY_INLINE void StoreResult(VF, HalfBits<DF> bits, std::uint16_t* out) {
  hn::StoreU(bits, D16(), out);
}
HWY_INLINE void StoreResult(VF, HalfBits<DF> bits, float* out) {
  hn::StoreU(DecodeHalf(DF(), bits), DF(), out);
}

template <class Traits, bool kClamp, typename Out>
NarrowStats Narrow(const float* in, std::size_t size, Out* out) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t whole = size - size % lanes;
  NarrowStats stats;
  std::size_t i = 0;
  while (i < whole) {
    const std::size_t end = i + std::min(whole - i, std::size_t{1} << 30);  // lanes are 32 bits
    LaneStats lane_stats;
    for (; i < end; i += lanes) {
      const VF value = lane_stats.See<Traits, kClamp>(hn::LoadU(d, in + i));
      StoreResult(value, Traits::Encode(d, value), out + i);
    }
    lane_stats.MergeInto(stats);
  }
  if (whole == size) return stats;
  float rest[hn::MaxLanes(d)] = {};  // zeros count for nothing
  Out rest_out[hn::MaxLanes(d)];
  std::memcpy(rest, in + whole, (size - whole) * sizeof(float));
  LaneStats lane_stats;
  const VF value = lane_stats.See<Traits, kClamp>(hn::LoadU(d, rest));
  StoreResult(value, Traits::Encode(d, value), rest_out);
  lane_stats.MergeInto(stats);
  std::memcpy(out + whole, rest_out, (size - whole) * sizeof(Out));
  return stats;
}

template <class Decode>
void Widen(const std::uint16_t* in, std::size_t size, float* out, Decode decode) {
  const DF d;
  const D16 d16;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) hn::StoreU(decode(hn::LoadU(d16, in + i)), d, out + i);
  if (i == size) return;
  std::uint16_t rest[hn::MaxLanes(d)] = {};
  float rest_out[hn::MaxLanes(d)];
  std::memcpy(rest, in + i, (size - i) * sizeof(std::uint16_t));
  hn::StoreU(decode(hn::LoadU(d16, rest)), d, rest_out);
  std::memcpy(out + i, rest_out, (size - i) * sizeof(float));
}

NarrowStats FloatToHalfSimd(const float* in, std::size_t size, std::uint16_t* out, bool clamp) {
  return clamp ? Narrow<HalfTraits, true>(in, size, out) : Narrow<HalfTraits, false>(in, size, out);
}

NarrowStats FloatToBFloat16Simd(const float* in, std::size_t size, std::uint16_t* out, bool clamp) {
  return clamp ? Narrow<BFloat16Traits, true>(in, size, out)
               : Narrow<BFloat16Traits, false>(in, size, out);
}

NarrowStats RoundToHalfSimd(const float* in, std::size_t size, float* out, bool clamp) {
  return clamp ? Narrow<HalfTraits, true>(in, size, out) : Narrow<HalfTraits, false>(in, size, out);
}

void HalfToFloatSimd(const std::uint16_t* in, std::size_t size, float* out) {
  Widen(in, size, out, [](HalfBits<DF> bits) HWY_ATTR { return DecodeHalf(DF(), bits); });
}

void BFloat16ToFloatSimd(const std::uint16_t* in, std::size_t size, float* out) {
  Widen(in, size, out, [](HalfBits<DF> bits) HWY_ATTR { return DecodeBFloat16(DF(), bits); });
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(FloatToHalfSimd);
HWY_EXPORT(FloatToBFloat16Simd);
HWY_EXPORT(RoundToHalfSimd);
HWY_EXPORT(HalfToFloatSimd);
HWY_EXPORT(BFloat16ToFloatSimd);

void NarrowStats::Merge(const NarrowStats& other) {
  overflowed += other.overflowed;
  underflowed += other.underflowed;
  nonfinite += other.nonfinite;
  peak = std::max(peak, other.peak);
}

NarrowStats FloatToHalf(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                        OverflowMode mode) {
  HWY_ASSERT(in.size() == out.size());
  return HWY_DYNAMIC_DISPATCH(FloatToHalfSimd)(in.data(), in.size(), out.data(),
                                               mode == OverflowMode::kClamp);
}

void HalfToFloat(absl::Span<const std::uint16_t> in, absl::Span<float> out) {
  HWY_ASSERT(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(HalfToFloatSimd)(in.data(), in.size(), out.data());
}

NarrowStats FloatToBFloat16(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                            OverflowMode mode) {
  HWY_ASSERT(in.size() == out.size());
  return HWY_DYNAMIC_DISPATCH(FloatToBFloat16Simd)(in.data(), in.size(), out.data(),
                                                   mode == OverflowMode::kClamp);
}

void BFloat16ToFloat(absl::Span<const std::uint16_t> in, absl::Span<float> out) {
  HWY_ASSERT(in.size() == out.size());
  HWY_DYNAMIC_DISPATCH(BFloat16ToFloatSimd)(in.data(), in.size(), out.data());
}

NarrowStats RoundToHalf(absl::Span<const float> in, absl::Span<float> out, OverflowMode mode) {
  HWY_ASSERT(in.size() == out.size());
  return HWY_DYNAMIC_DISPATCH(RoundToHalfSimd)(in.data(), in.size(), out.data(),
                                               mode == OverflowMode::kClamp);
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
