// Matrix products whose sums run in the order of their terms, whatever the sizes: the same bits for
// a column whichever other columns there are, and on every target that fuses multiply and add.
// Included once per target.
#if defined(ONNXQUANT_LIB_METHODS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_METHODS_PRODUCT_INL_H_
#undef ONNXQUANT_LIB_METHODS_PRODUCT_INL_H_
#else
#define ONNXQUANT_LIB_METHODS_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;
using VF = hn::Vec<DF>;

// Row-major, `stride` numbers from one row to the next.
struct Matrix {
  const float* at;
  std::size_t stride;
};

// sum + a * b, or sum - a * b, in one rounding where the target can.
template <bool subtract>
HWY_INLINE VF Accumulate(VF sum, VF a, VF b) {
  return subtract ? hn::NegMulAdd(a, b, sum) : hn::MulAdd(a, b, sum);
}

// Four rows of C by two vectors of columns. `packed` holds the two vectors of each row of B.
template <bool subtract>
HWY_INLINE void FourRows(const Matrix& a, const float* packed, std::size_t depth, float* c,
                         std::size_t c_stride) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  float* const c0 = c;
  float* const c1 = c + c_stride;
  float* const c2 = c + 2 * c_stride;
  float* const c3 = c + 3 * c_stride;
  VF s00 = hn::LoadU(d, c0), s01 = hn::LoadU(d, c0 + lanes);
  VF s10 = hn::LoadU(d, c1), s11 = hn::LoadU(d, c1 + lanes);
  VF s20 = hn::LoadU(d, c2), s21 = hn::LoadU(d, c2 + lanes);
  VF s30 = hn::LoadU(d, c3), s31 = hn::LoadU(d, c3 + lanes);
  const float* const a0 = a.at;
  const float* const a1 = a.at + a.stride;
  const float* const a2 = a.at + 2 * a.stride;
  const float* const a3 = a.at + 3 * a.stride;
  for (std::size_t i = 0; i < depth; ++i, packed += 2 * lanes) {
    const VF b0 = hn::Load(d, packed);
    const VF b1 = hn::Load(d, packed + lanes);
    const VF v0 = hn::Set(d, a0[i]);
    s00 = Accumulate<subtract>(s00, v0, b0);
    s01 = Accumulate<subtract>(s01, v0, b1);
    const VF v1 = hn::Set(d, a1[i]);
    s10 = Accumulate<subtract>(s10, v1, b0);
    s11 = Accumulate<subtract>(s11, v1, b1);
    const VF v2 = hn::Set(d, a2[i]);
    s20 = Accumulate<subtract>(s20, v2, b0);
    s21 = Accumulate<subtract>(s21, v2, b1);
    const VF v3 = hn::Set(d, a3[i]);
    s30 = Accumulate<subtract>(s30, v3, b0);
    s31 = Accumulate<subtract>(s31, v3, b1);
  }
  hn::StoreU(s00, d, c0);
  hn::StoreU(s01, d, c0 + lanes);
  hn::StoreU(s10, d, c1);
  hn::StoreU(s11, d, c1 + lanes);
  hn::StoreU(s20, d, c2);
  hn::StoreU(s21, d, c2 + lanes);
  hn::StoreU(s30, d, c3);
  hn::StoreU(s31, d, c3 + lanes);
}

template <bool subtract>
HWY_INLINE void OneRow(const float* a, const float* packed, std::size_t depth, float* c) {
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  VF s0 = hn::LoadU(d, c);
  VF s1 = hn::LoadU(d, c + lanes);
  for (std::size_t i = 0; i < depth; ++i, packed += 2 * lanes) {
    const VF v = hn::Set(d, a[i]);
    s0 = Accumulate<subtract>(s0, v, hn::Load(d, packed));
    s1 = Accumulate<subtract>(s1, v, hn::Load(d, packed + lanes));
  }
  hn::StoreU(s0, d, c);
  hn::StoreU(s1, d, c + lanes);
}

// C += A B, or C -= A B: A [m, k], B [k, n], C [m, n] with c_stride; n is a multiple of 32.
template <bool subtract>
HWY_NOINLINE void Product(std::size_t m, std::size_t n, std::size_t k, const Matrix& a,
                          const Matrix& b, float* HWY_RESTRICT c, std::size_t c_stride) {
  constexpr std::size_t kDepth = 256;
  const DF d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN float packed[kDepth * 2 * 16];
  for (std::size_t k0 = 0; k0 < k; k0 += kDepth) {
    const std::size_t depth = std::min(kDepth, k - k0);
    for (std::size_t column = 0; column < n; column += 2 * lanes) {
      // Rows of B lie a power of two apart, and would push each other out of the cache.
      const float* from = b.at + k0 * b.stride + column;
      for (std::size_t i = 0; i < depth; ++i, from += b.stride) {
        hn::Store(hn::LoadU(d, from), d, packed + i * 2 * lanes);
        hn::Store(hn::LoadU(d, from + lanes), d, packed + i * 2 * lanes + lanes);
      }
      std::size_t row = 0;
      for (; row + 4 <= m; row += 4) {
        FourRows<subtract>({a.at + row * a.stride + k0, a.stride}, packed, depth,
                           c + row * c_stride + column, c_stride);
      }
      for (; row < m; ++row) {
        OneRow<subtract>(a.at + row * a.stride + k0, packed, depth, c + row * c_stride + column);
      }
    }
  }
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
