// Vectors of float32 to and from the bits of fp16 and bf16, the same on every target. Included once
// per target.
#if defined(ONNXQUANT_LIB_KERNELS_HALF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_HALF_INL_H_
#undef ONNXQUANT_LIB_KERNELS_HALF_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_HALF_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Highway promises no rounding for its own fp16 conversions; on these targets they are F16C's,
// which round to nearest even and keep subnormals.
#undef ONNXQUANT_HAS_F16C
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)
#define ONNXQUANT_HAS_F16C 1
#else
#define ONNXQUANT_HAS_F16C 0
#endif

template <class DF>
using HalfBits = hn::Vec<hn::Rebind<std::uint16_t, DF>>;

#if ONNXQUANT_HAS_F16C

template <class DF, class V = hn::Vec<DF>>
HWY_INLINE HalfBits<DF> EncodeHalf(DF, V value) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  const hn::Rebind<std::uint16_t, DF> bits;
  return hn::BitCast(bits, hn::DemoteTo(d16, value));
}

template <class DF>
HWY_INLINE hn::Vec<DF> DecodeHalf(DF d, HalfBits<DF> bits) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  return hn::PromoteTo(d, hn::BitCast(d16, bits));
}

#else

// Normal results: add just under half of the last kept bit, plus that bit itself (ties to even),
// then drop 13 bits and move the exponent's bias from 127 to 15. Subnormal results: adding 0.5
// makes the adder itself round at 2^-24, the last bit of a half's subnormals.
template <class DF, class V = hn::Vec<DF>>
HWY_INLINE HalfBits<DF> EncodeHalf(DF d, V value) {
  const hn::RebindToSigned<DF> di;
  const hn::Rebind<std::uint16_t, DF> d16;
  const auto bits = hn::BitCast(di, value);
  const auto magnitude = hn::And(bits, hn::Set(di, 0x7FFFFFFF));
  const auto sign = hn::BitCast(
      di, hn::ShiftLeft<15>(hn::ShiftRight<31>(hn::BitCast(hn::RebindToUnsigned<DF>(), bits))));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 1));
  const auto rounded =
      hn::ShiftRight<13>(hn::Add(hn::Add(magnitude, odd), hn::Set(di, 0xFFF - (112 << 23))));
  const auto half = hn::Set(d, 0.5F);
  const auto subnormal =
      hn::Sub(hn::BitCast(di, hn::Add(hn::BitCast(d, magnitude), half)), hn::BitCast(di, half));
  const auto is_subnormal = hn::Lt(magnitude, hn::Set(di, 113 << 23));
  auto result = hn::Min(hn::IfThenElse(is_subnormal, subnormal, rounded), hn::Set(di, 0x7C00));
  const auto nan =
      hn::Or(hn::Set(di, 0x7E00), hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 0x3FF)));
  result = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7F800000)), nan, result);
  return hn::DemoteTo(d16, hn::Or(result, sign));
}

// A subnormal half is an integer multiple of 2^-24: put it in the low bits of a float whose last
// bit is worth that much (exponent of 0.5), and take the 0.5 away.
template <class DF>
HWY_INLINE hn::Vec<DF> DecodeHalf(DF d, HalfBits<DF> bits) {
  const hn::RebindToSigned<DF> di;
  const auto wide = hn::PromoteTo(di, bits);
  const auto magnitude = hn::And(wide, hn::Set(di, 0x7FFF));
  const auto sign = hn::ShiftLeft<31>(hn::ShiftRight<15>(wide));
  const auto shifted = hn::ShiftLeft<13>(magnitude);
  const auto normal = hn::Add(shifted, hn::Set(di, 112 << 23));
  const auto half = hn::Set(d, 0.5F);
  const auto subnormal =
      hn::BitCast(di, hn::Sub(hn::BitCast(d, hn::Or(magnitude, hn::BitCast(di, half))), half));
  const auto quiet =
      hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(di, 0x7C00)), hn::Set(di, 0x00400000));
  const auto special = hn::Or(hn::Or(shifted, hn::Set(di, 0x7F800000)), quiet);
  auto result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, 0x0400)), subnormal, normal);
  result = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7BFF)), special, result);
  return hn::BitCast(d, hn::Or(result, sign));
}

#endif  // ONNXQUANT_HAS_F16C

template <class DF, class V = hn::Vec<DF>>
HWY_INLINE HalfBits<DF> EncodeBFloat16(DF, V value) {
  const hn::RebindToSigned<DF> di;
  const hn::RebindToUnsigned<DF> du;
  const hn::Rebind<std::uint16_t, DF> d16;
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, odd), hn::Set(du, 0x7FFF)));
  const auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40));
  const auto magnitude = hn::And(hn::BitCast(di, bits), hn::Set(di, 0x7FFFFFFF));
  const auto is_nan = hn::Gt(magnitude, hn::Set(di, 0x7F800000));
  return hn::DemoteTo(d16,
                      hn::IfThenElse(is_nan, hn::BitCast(di, quiet), hn::BitCast(di, rounded)));
}

template <class DF>
HWY_INLINE hn::Vec<DF> DecodeBFloat16(DF d, HalfBits<DF> bits) {
  const hn::RebindToSigned<DF> di;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(di, bits)));
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
