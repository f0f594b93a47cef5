// What a conversion to fewer bits did to the values. Included once per target.
#if defined(ONNXQUANT_LIB_KERNELS_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_NARROW_INL_H_
#undef ONNXQUANT_LIB_KERNELS_NARROW_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_NARROW_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "lib/kernels/half.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;

// NarrowStats, a lane each: counts go down by one through the all-ones of a true comparison.
class LaneStats {
 public:
  HWY_INLINE LaneStats()
      : overflowed_(hn::Zero(DI())),
        underflowed_(hn::Zero(DI())),
        nonfinite_(hn::Zero(DI())),
        peak_(hn::Zero(DI())) {}

  // Counts `value`, and returns what is to be encoded in its place.
  template <class Traits, bool kClamp>
  HWY_INLINE VF See(VF value) {
    const DF d;
    const DI di;
    const VI bits = hn::BitCast(di, value);
    const VI magnitude = hn::And(bits, hn::Set(di, 0x7FFFFFFF));
    const auto is_nonfinite = hn::Gt(magnitude, hn::Set(di, 0x7F7FFFFF));
    const auto is_beyond = hn::Gt(magnitude, hn::Set(di, Traits::kFirstOverflow - 1));
    const auto overflows = hn::AndNot(is_nonfinite, is_beyond);
    const auto underflows = hn::And(hn::Gt(magnitude, hn::Zero(di)),
                                    hn::Lt(magnitude, hn::Set(di, Traits::kLastZero + 1)));
    overflowed_ = hn::Add(overflowed_, hn::VecFromMask(di, overflows));
    underflowed_ = hn::Add(underflowed_, hn::VecFromMask(di, underflows));
    nonfinite_ = hn::Add(nonfinite_, hn::VecFromMask(di, is_nonfinite));
    peak_ = hn::Max(peak_, hn::IfThenZeroElse(is_nonfinite, magnitude));
    if constexpr (!kClamp) return value;
    const VI sign = hn::AndNot(hn::Set(di, 0x7FFFFFFF), bits);
    return hn::BitCast(
        d, hn::IfThenElse(overflows, hn::Or(sign, hn::Set(di, Traits::kLargest)), bits));
  }

  // Adds the lanes up; each has counted fewer than 2^31.
  HWY_INLINE void MergeInto(NarrowStats& stats) const {
    NarrowStats sum;
    sum.overflowed = Total(overflowed_);
    sum.underflowed = Total(underflowed_);
    sum.nonfinite = Total(nonfinite_);
    const std::int32_t peak = hn::GetLane(hn::MaxOfLanes(DI(), peak_));
    float number = 0;
    std::memcpy(&number, &peak, sizeof(peak));
    sum.peak = number;
    stats.Merge(sum);
  }

 private:
  static HWY_INLINE std::uint64_t Total(VI counts) {
    HWY_ALIGN std::int32_t lanes[hn::MaxLanes(DI())];
    hn::Store(counts, DI(), lanes);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < hn::Lanes(DI()); ++i) {
      total += static_cast<std::uint64_t>(-static_cast<std::int64_t>(lanes[i]));
    }
    return total;
  }

  VI overflowed_, underflowed_, nonfinite_, peak_;
};

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
