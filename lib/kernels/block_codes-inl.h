// From values to ranges, scales and codes, a vector at a time. Included once per target.
#if defined(ONNXQUANT_LIB_KERNELS_BLOCK_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_BLOCK_CODES_INL_H_
#undef ONNXQUANT_LIB_KERNELS_BLOCK_CODES_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_BLOCK_CODES_INL_H_
#endif

#include <cstddef>
#include <limits>

#include "hwy/highway.h"
#include "lib/kernels/block_tile.h"
#include "lib/kernels/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Blocks are multiples of 16 values, so that at most 16 lanes always divide them.
using BlockF = hn::CappedTag<float, 16>;
using BlockV = hn::Vec<BlockF>;
using BlockI = hn::RebindToSigned<BlockF>;

template <int kBits>
struct Codes {
  static constexpr int kMid = 1 << (kBits - 1);
  static constexpr int kMax = (1 << kBits) - 1;
};

// The two accumulators skip NaN, and keep the first of two zeros: value < lo ? value : lo. On x86
// that is what the instruction for the minimum does.
HWY_INLINE BlockV Lower(BlockV value, BlockV lo) {
#if HWY_ARCH_X86
  return hn::Min(value, lo);
#else
  return hn::IfThenElse(hn::Lt(value, lo), value, lo);
#endif
}
HWY_INLINE BlockV Higher(BlockV value, BlockV hi) {
#if HWY_ARCH_X86
  return hn::Max(value, hi);
#else
  return hn::IfThenElse(hn::Gt(value, hi), value, hi);
#endif
}

// Half away from zero for values from 0 on: the greatest float below one half never carries a value
// that is below a half up to the next integer, as adding 0.5 itself would.
HWY_INLINE hn::Vec<BlockI> RoundNonNegative(BlockV value) {
  return hn::ConvertTo(BlockI(), hn::Add(value, hn::Set(BlockF(), 0x1.fffffep-2F)));
}

template <int kBits>
HWY_INLINE hn::Vec<BlockI> Code(BlockV value, BlockV reciprocal, BlockV zero_point) {
  const BlockF d;
  BlockV code = hn::Add(hn::Mul(value, reciprocal), zero_point);
  code = hn::IfThenElseZero(hn::Gt(code, hn::Zero(d)), code);  // NaN becomes 0, too
  return RoundNonNegative(hn::Min(code, hn::Set(d, static_cast<float>(Codes<kBits>::kMax))));
}

template <int kBits>
HWY_INLINE void Asymmetric(BlockV lo, BlockV hi, BlockV& scale, BlockV& zero_point) {
  const BlockF d;
  const BlockV zero = hn::Zero(d);
  const BlockV largest_code = hn::Set(d, static_cast<float>(Codes<kBits>::kMax));
  lo = hn::IfThenElse(hn::Gt(lo, zero), zero, lo);
  hi = hn::IfThenElse(hn::Lt(hi, zero), zero, hi);
  scale = hn::Div(hn::Sub(hi, lo), largest_code);
  const auto has_range = hn::Gt(scale, zero);
  const BlockV exact = hn::IfThenElse(has_range, hn::Sub(zero, hn::Div(lo, scale)), lo);
  const BlockV clamped =
      hn::Min(hn::IfThenElseZero(hn::Gt(exact, zero), exact), largest_code);  // NaN becomes 0
  zero_point = hn::ConvertTo(d, RoundNonNegative(clamped));
}

// Scales, reciprocals and zero points of the first `count` blocks of a group, from lo and hi.
// Whole vectors are computed: what lies beyond `count` must be readable, and is overwritten.
template <int kBits>
HWY_INLINE void DeriveScales(bool symmetric, bool half_scales, std::size_t count,
                             BlockGroup& group) {
  const BlockF d;
  const hn::Rebind<std::uint16_t, BlockF> d16;
  const BlockV zero = hn::Zero(d);
  const BlockV mid = hn::Set(d, static_cast<float>(Codes<kBits>::kMid));
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const BlockV lo = hn::Load(d, group.lo + i);
    const BlockV hi = hn::Load(d, group.hi + i);
    BlockV scale;
    BlockV zero_point = mid;
    if (symmetric) {
      const BlockV extreme = hn::IfThenElse(hn::Gt(hn::Abs(hi), hn::Abs(lo)), hi, lo);
      scale = hn::Div(hn::Neg(extreme), mid);
    } else {
      Asymmetric<kBits>(lo, hi, scale, zero_point);
    }
    if (half_scales) {
      const auto bits = EncodeHalf(d, scale);
      hn::Store(bits, d16, group.scale_bits + i);
      scale = DecodeHalf(d, bits);
    }
    const auto is_zero = hn::Eq(scale, zero);
    hn::Store(scale, d, group.scale + i);
    hn::Store(hn::IfThenZeroElse(is_zero, hn::Div(hn::Set(d, 1.0F), scale)), d,
              group.reciprocal + i);
    hn::Store(zero_point, d, group.zero_point + i);
  }
}

// Stores the scales and zero points of the group's first `count` blocks, `stride` apart.
HWY_INLINE void StoreScales(const Tile& tile, const BlockGroup& group, std::size_t count,
                            std::size_t first, std::size_t stride) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = first + i * stride;
    if (tile.half_scales) {
      tile.scales_f16[at] = group.scale_bits[i];
    } else {
      tile.scales_f32[at] = group.scale[i];
    }
    if (!tile.symmetric) tile.zero_points[at] = static_cast<std::uint8_t>(group.zero_point[i]);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
