// The ranges of columns of row-major values, and of spans of any size. Included once per target.
#if defined(ONNXQUANT_LIB_KERNELS_BLOCK_STRIP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_BLOCK_STRIP_INL_H_
#undef ONNXQUANT_LIB_KERNELS_BLOCK_STRIP_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_BLOCK_STRIP_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <limits>

#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"
#include "lib/kernels/block_tile.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Part of a row of blocks: `rows` rows of `width` columns, of which the first `used` are wanted.
// The width is a multiple of the vectors'.
struct Strip {
  const float* source;
  std::size_t stride;
  std::size_t rows;
  std::size_t width, used;
};

HWY_INLINE void StripRanges(const Strip& strip, BlockGroup& group) {
  const BlockF d;
  const std::size_t lanes = hn::Lanes(d);
  const BlockV highest = hn::Set(d, std::numeric_limits<float>::max());
  const BlockV lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  std::size_t c = 0;
  // Several vectors at a time, to use whole cache lines and to hide the latency of comparisons.
  for (; c + 4 * lanes <= strip.width; c += 4 * lanes) {
    BlockV lo0 = highest, lo1 = highest, lo2 = highest, lo3 = highest;
    BlockV hi0 = lowest, hi1 = lowest, hi2 = lowest, hi3 = lowest;
    const float* from = strip.source + c;
    for (std::size_t row = 0; row < strip.rows; ++row, from += strip.stride) {
      const BlockV v0 = hn::LoadU(d, from);
      const BlockV v1 = hn::LoadU(d, from + lanes);
      const BlockV v2 = hn::LoadU(d, from + 2 * lanes);
      const BlockV v3 = hn::LoadU(d, from + 3 * lanes);
      lo0 = Lower(v0, lo0);
      lo1 = Lower(v1, lo1);
      lo2 = Lower(v2, lo2);
      lo3 = Lower(v3, lo3);
      hi0 = Higher(v0, hi0);
      hi1 = Higher(v1, hi1);
      hi2 = Higher(v2, hi2);
      hi3 = Higher(v3, hi3);
    }
    hn::Store(lo0, d, group.lo + c);
    hn::Store(lo1, d, group.lo + c + lanes);
    hn::Store(lo2, d, group.lo + c + 2 * lanes);
    hn::Store(lo3, d, group.lo + c + 3 * lanes);
    hn::Store(hi0, d, group.hi + c);
    hn::Store(hi1, d, group.hi + c + lanes);
    hn::Store(hi2, d, group.hi + c + 2 * lanes);
    hn::Store(hi3, d, group.hi + c + 3 * lanes);
  }
  for (; c < strip.width; c += lanes) {
    BlockV lo = highest;
    BlockV hi = lowest;
    const float* from = strip.source + c;
    for (std::size_t row = 0; row < strip.rows; ++row, from += strip.stride) {
      const BlockV value = hn::LoadU(d, from);
      lo = Lower(value, lo);
      hi = Higher(value, hi);
    }
    hn::Store(lo, d, group.lo + c);
    hn::Store(hi, d, group.hi + c);
  }
}

HWY_INLINE void SpanRange(const float* values, std::size_t size, float& lo, float& hi) {
  const BlockF d;
  const std::size_t lanes = hn::Lanes(d);
  BlockV low = hn::Set(d, std::numeric_limits<float>::max());
  BlockV high = hn::Set(d, std::numeric_limits<float>::lowest());
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const BlockV value = hn::LoadU(d, values + i);
    low = Lower(value, low);
    high = Higher(value, high);
  }
  lo = hn::GetLane(hn::MinOfLanes(d, low));
  hi = hn::GetLane(hn::MaxOfLanes(d, high));
  for (; i < size; ++i) {
    lo = values[i] < lo ? values[i] : lo;
    hi = values[i] > hi ? values[i] : hi;
  }
  // Only zeros: the first one's sign counts.
  if (lo == 0.0F && hi == 0.0F) {
    lo = hi = *std::find_if(values, values + size, [](float value) { return value == 0.0F; });
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
