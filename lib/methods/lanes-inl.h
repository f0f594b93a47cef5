// Blocks of several rows of weights at a time, a row a lane. Included once per target.
#if defined(ONNXQUANT_LIB_METHODS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_METHODS_LANES_INL_H_
#undef ONNXQUANT_LIB_METHODS_LANES_INL_H_
#else
#define ONNXQUANT_LIB_METHODS_LANES_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"
#include "lib/kernels/half-inl.h"
#include "lib/methods/group.h"
#include "lib/methods/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using MF = hn::Mask<DF>;

HWY_INLINE VF RoundScale(const GridNumbers& grid, VF scale) {
  const DF d;
  VF magnitude = hn::Max(hn::Abs(scale), hn::Set(d, grid.least_scale));
  if (grid.half_scales) {
    magnitude = hn::Min(magnitude, hn::Set(d, 65504.0F));
    magnitude =
        kernels::HWY_NAMESPACE::DecodeHalf(d, kernels::HWY_NAMESPACE::EncodeHalf(d, magnitude));
  }
  return hn::CopySign(magnitude, scale);
}

// Codes less their zero point, as floats: whole numbers from -zero to highest - zero.
struct CodeBounds {
  VF lowest, highest;
};

HWY_INLINE CodeBounds BoundsOf(const GridNumbers& grid, VF zero) {
  return {hn::Neg(zero), hn::Sub(hn::Set(DF(), grid.highest), zero)};
}

HWY_INLINE VF Clamped(VF code, const CodeBounds& bounds) {
  return hn::Min(hn::Max(hn::Round(code), bounds.lowest), bounds.highest);
}

// The weights of a block: x[i * stride], i < size.
struct Block {
  const float* x;
  std::size_t stride;
  std::size_t size;
};

struct Range {
  VF lowest, highest;
};

// With 0 inside.
HWY_INLINE Range RangeOf(const Block& block) {
  const DF d;
  Range range{hn::Zero(d), hn::Zero(d)};
  for (std::size_t i = 0; i < block.size; ++i) {
    const VF x = hn::Load(d, block.x + i * block.stride);
    range.lowest = hn::Min(range.lowest, x);
    range.highest = hn::Max(range.highest, x);
  }
  return range;
}

// attempt(scale, zero, valid) for each scale and zero point that is tried for a block.
template <class Attempt>
HWY_INLINE void TryScales(const GridNumbers& grid, const Range& range, const Attempt& attempt) {
  const DF d;
  const VF highest = hn::Set(d, grid.highest);
  const VF middle = hn::Set(d, grid.middle);
  const MF all = hn::Eq(middle, middle);
  for (const float share : grid.shrinks.shares) {
    const VF part = hn::Set(d, share);
    if (grid.symmetric) {
      const VF reach = hn::Max(range.highest, hn::Neg(range.lowest));
      const VF scale = RoundScale(grid, hn::Div(hn::Mul(part, reach), middle));
      attempt(scale, middle, all);
      attempt(hn::Neg(scale), middle, all);
      continue;
    }
    const VF width = hn::Sub(range.highest, range.lowest);
    const VF exact = hn::Max(hn::Div(hn::Mul(part, width), highest), hn::Set(d, grid.least_scale));
    const CodeBounds codes{hn::Zero(d), highest};
    const VF zero = Clamped(hn::Div(hn::Mul(part, hn::Neg(range.lowest)), exact), codes);
    const VF scale = RoundScale(grid, exact);
    for (const float step : {-1.0F, 0.0F, 1.0F}) {
      const VF moved = hn::Add(zero, hn::Set(d, step));
      attempt(scale, moved, hn::And(hn::Ge(moved, codes.lowest), hn::Le(moved, codes.highest)));
    }
  }
}

// The sum of importance[i] (c_i scale - x_i)^2, with the nearest codes.
HWY_INLINE VF ErrorOf(const GridNumbers& grid, const Block& block, const float* importance,
                      VF scale, VF zero) {
  const DF d;
  const CodeBounds bounds = BoundsOf(grid, zero);
  VF sum = hn::Zero(d);
  for (std::size_t i = 0; i < block.size; ++i) {
    const VF x = hn::Load(d, block.x + i * block.stride);
    const VF code = Clamped(hn::Div(x, scale), bounds);
    const VF error = hn::NegMulAdd(code, scale, x);
    sum = hn::MulAdd(hn::Mul(error, hn::Set(d, importance[i])), error, sum);
  }
  return sum;
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
