#include "lib/methods/search.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "lib/methods/group.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/methods/search.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "lib/methods/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::methods::HWY_NAMESPACE {

// The scale that fits the nearest codes of (scale, zero) best; scale itself where all are 0.
HWY_INLINE VF FittedScale(const GridNumbers& grid, const Block& block, const float* importance,
                          VF scale, VF zero) {
  const DF d;
  const CodeBounds bounds = BoundsOf(grid, zero);
  VF products = hn::Zero(d);
  VF squares = hn::Zero(d);
  for (std::size_t i = 0; i < block.size; ++i) {
    const VF x = hn::Load(d, block.x + i * block.stride);
    const VF code = Clamped(hn::Div(x, scale), bounds);
    const VF weighted = hn::Mul(code, hn::Set(d, importance[i]));
    products = hn::MulAdd(weighted, x, products);
    squares = hn::MulAdd(weighted, code, squares);
  }
  const VF fitted = hn::Div(products, squares);
  const MF usable = hn::And(hn::Gt(squares, hn::Zero(d)),
                            hn::Le(hn::Abs(fitted), hn::Set(d, std::numeric_limits<float>::max())));
  return RoundScale(grid, hn::IfThenElse(usable, fitted, scale));
}

HWY_INLINE void SearchBlock(const GridNumbers& grid, const Block& block, const float* importance,
                            float* scales, float* zeros, float* codes) {
  const DF d;
  VF best = hn::Set(d, std::numeric_limits<float>::infinity());
  VF best_scale = hn::Set(d, 1.0F);
  VF best_zero = hn::Set(d, grid.middle);
  const auto offer = [&](VF scale, VF zero, MF valid) HWY_ATTR {
    const VF error = ErrorOf(grid, block, importance, scale, zero);
    const MF better = hn::And(valid, hn::Lt(error, best));
    best = hn::IfThenElse(better, error, best);
    best_scale = hn::IfThenElse(better, scale, best_scale);
    best_zero = hn::IfThenElse(better, zero, best_zero);
  };
  TryScales(grid, RangeOf(block), [&](VF scale, VF zero, MF valid) HWY_ATTR {
    offer(scale, zero, valid);
    offer(FittedScale(grid, block, importance, scale, zero), zero, valid);
  });
  // With its own codes, the best one may fit better still.
  const VF fitted = FittedScale(grid, block, importance, best_scale, best_zero);
  offer(fitted, best_zero, hn::Eq(fitted, fitted));
  hn::Store(best_scale, d, scales);
  hn::Store(best_zero, d, zeros);
  const CodeBounds bounds = BoundsOf(grid, best_zero);
  for (std::size_t i = 0; i < block.size; ++i) {
    const VF x = hn::Load(d, block.x + i * block.stride);
    hn::Store(Clamped(hn::Div(x, best_scale), bounds), d, codes + i * block.stride);
  }
}

void SearchSimd(const GridNumbers& grid, const GroupSizes& sizes, const float* importance,
                Group& group) {
  const DF d;
  for (std::size_t b = 0; b < sizes.blocks; ++b) {
    const std::size_t first = b * sizes.block;
    for (std::size_t lane = 0; lane < kGroup; lane += hn::Lanes(d)) {
      const Block block{group.weights.get() + first * kGroup + lane, kGroup, sizes.BlockSize(b)};
      SearchBlock(grid, block, importance + first, group.scales.get() + b * kGroup + lane,
                  group.zeros.get() + b * kGroup + lane, group.codes.get() + first * kGroup + lane);
    }
  }
}

}  // namespace onnxquant::methods::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onnxquant::methods {

HWY_EXPORT(SearchSimd);

Codes Search(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
             absl::Span<const float> importance) {
  HWY_ASSERT(IsValid(grid) && k > 0);
  const GroupSizes sizes(grid, k);
  HWY_ASSERT(weights.size() % sizes.columns == 0);
  HWY_ASSERT(importance.empty() || importance.size() == sizes.columns);
  const std::vector<float> ones(importance.empty() ? sizes.columns : 0, 1.0F);
  const std::size_t rows = weights.size() / sizes.columns;
  Group group(sizes);
  Codes codes = EmptyCodes(sizes, rows);
  for (std::size_t first = 0; first < rows; first += kGroup) {
    const std::size_t count = std::min(kGroup, rows - first);
    LoadGroup(sizes, weights.data() + first * sizes.columns, count, group);
    HWY_DYNAMIC_DISPATCH(SearchSimd)
    (GridNumbers(grid), sizes, importance.empty() ? ones.data() : importance.data(), group);
    StoreGroup(grid, sizes, group, first, count, codes);
  }
  return codes;
}

}  // namespace onnxquant::methods
#endif  // HWY_ONCE
