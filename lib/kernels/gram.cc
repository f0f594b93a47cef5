#include "lib/kernels/gram.h"

#include <cmath>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/kernels/gram.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

// Four columns of the left panel times three vectors of the right one: twelve sums, which hide an
// addition's latency and leave registers for what they are made of.
constexpr std::size_t kHeight = 4;

struct Sums {
  V a, b, c;
};

HWY_INLINE void Add(const float* left, V x, V y, V z, Sums& sums) {
  const V factor = hn::Set(D(), *left);
  sums.a = hn::MulAdd(factor, x, sums.a);
  sums.b = hn::MulAdd(factor, y, sums.b);
  sums.c = hn::MulAdd(factor, z, sums.c);
}

HWY_INLINE void Store(const Sums& sums, float* out) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  hn::StoreU(sums.a, d, out);
  hn::StoreU(sums.b, d, out + lanes);
  hn::StoreU(sums.c, d, out + 2 * lanes);
}

// `out`: kHeight rows of kGramPanel.
HWY_INLINE void Multiply(const float* left, const float* right, std::size_t rows, float* out) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  const V zero = hn::Zero(d);
  Sums s0{zero, zero, zero};
  Sums s1 = s0;
  Sums s2 = s0;
  Sums s3 = s0;
  for (std::size_t t = 0; t < rows; ++t, left += kGramPanel, right += kGramPanel) {
    const V x = hn::LoadU(d, right);
    const V y = hn::LoadU(d, right + lanes);
    const V z = hn::LoadU(d, right + 2 * lanes);
    Add(left, x, y, z, s0);
    Add(left + 1, x, y, z, s1);
    Add(left + 2, x, y, z, s2);
    Add(left + 3, x, y, z, s3);
  }
  Store(s0, out);
  Store(s1, out + kGramPanel);
  Store(s2, out + 2 * kGramPanel);
  Store(s3, out + 3 * kGramPanel);
}

}  // namespace

void AddGram(const float* left, const float* right, std::size_t rows, const GramTile& tile) {
  const std::size_t step = 3 * hn::Lanes(D());
  static_assert(kGramPanel % kHeight == 0);
  HWY_DASSERT(kGramPanel % step == 0);
  float made[kHeight * kGramPanel];
  for (std::size_t i = 0; i < tile.height; i += kHeight) {
    for (std::size_t j = 0; j < tile.width; j += step) {
      Multiply(left + i, right + j, rows, made + j);
    }
    const std::size_t height = HWY_MIN(kHeight, tile.height - i);
    for (std::size_t r = 0; r < height; ++r) {
      float* sums = tile.sums + (i + r) * tile.stride;
      for (std::size_t j = 0; j < tile.width; ++j) sums[j] += made[r * kGramPanel + j];
    }
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::kernels {

HWY_EXPORT(AddGram);

void AddGram(absl::Span<const float> left, absl::Span<const float> right, const GramTile& tile) {
  HWY_ASSERT(left.size() == right.size() && left.size() % kGramPanel == 0);
  HWY_ASSERT(tile.height <= kGramPanel && tile.width <= kGramPanel);
  HWY_DYNAMIC_DISPATCH(AddGram)(left.data(), right.data(), left.size() / kGramPanel, tile);
}

void AddGramPlainly(absl::Span<const float> left, absl::Span<const float> right,
                    const GramTile& tile) {
  for (std::size_t i = 0; i < tile.height; ++i) {
    for (std::size_t j = 0; j < tile.width; ++j) {
      float sum = 0;
      for (std::size_t t = 0; t < left.size(); t += kGramPanel) {
        sum = std::fma(left[t + i], right[t + j], sum);
      }
      tile.sums[i * tile.stride + j] += sum;
    }
  }
}

}  // namespace onnxquant::kernels
#endif  // HWY_ONCE
