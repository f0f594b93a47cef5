// Codes a byte each to codes of fewer bits, low bits first. Included once per target.
#if defined(ONNXQUANT_LIB_KERNELS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_PACK_INL_H_
#undef ONNXQUANT_LIB_KERNELS_PACK_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_PACK_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The codes of a byte lie in one lane of as many bytes, and are moved together there.
template <int kBits, class D, class V = hn::Vec<D>>
HWY_INLINE V Gathered(D d, V codes) {
  if constexpr (kBits == 4) {
    return hn::And(hn::Or(codes, hn::ShiftRight<4>(codes)), hn::Set(d, 0xFF));
  } else {
    const V pairs = hn::Or(codes, hn::ShiftRight<6>(codes));
    return hn::And(hn::Or(pairs, hn::ShiftRight<12>(pairs)), hn::Set(d, 0xFF));
  }
}

// `count` codes, each below 2^kBits, to count * kBits / 8 bytes. The count is a multiple of 8 /
// kBits.
template <int kBits>
HWY_INLINE void PackCodes(const std::uint8_t* codes, std::size_t count, std::uint8_t* out) {
  if constexpr (kBits == 8) {
    std::copy_n(codes, count, out);
  } else {
    constexpr std::size_t kPack = 8 / kBits;
    using Lane = std::conditional_t<kBits == 4, std::int16_t, std::int32_t>;
    const hn::CappedTag<Lane, 16 / sizeof(Lane)> d;
    const hn::Rebind<std::uint8_t, decltype(d)> d8;
    const std::size_t step = hn::Lanes(d) * kPack;
    std::size_t i = 0;
    for (; i + step <= count; i += step) {
      const auto wide = hn::LoadU(d, reinterpret_cast<const Lane*>(codes + i));
      hn::StoreU(hn::DemoteTo(d8, Gathered<kBits>(d, wide)), d8, out + i / kPack);
    }
    for (; i < count; i += kPack) {
      unsigned byte = 0;
      for (std::size_t slot = 0; slot < kPack; ++slot) {
        byte |= static_cast<unsigned>(codes[i + slot]) << (slot * kBits);
      }
      out[i / kPack] = static_cast<std::uint8_t>(byte);
    }
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
