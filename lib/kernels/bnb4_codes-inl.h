// The codes of 4-bit floats. Included once per target.
#if defined(ONNXQUANT_LIB_KERNELS_BNB4_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONNXQUANT_LIB_KERNELS_BNB4_CODES_INL_H_
#undef ONNXQUANT_LIB_KERNELS_BNB4_CODES_INL_H_
#else
#define ONNXQUANT_LIB_KERNELS_BNB4_CODES_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "lib/kernels/block_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onnxquant::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A value's place is the number of thresholds that it is greater than; NaN is greater than none.
// In the order of the last level of a search that halves them, and of the levels before it.
struct Nf4 {
  static constexpr float kFirst = 0.03979014977812767F;
  alignas(64) static constexpr float kSecond[16] = {-0.33967943489551544F, 0.3893125355243683F};
  alignas(64) static constexpr float kThird[16] = {-0.6106329262256622F, -0.13791173323988914F,
                                                   0.2035212516784668F, 0.6427869200706482F};
  alignas(64) static constexpr float kFourth[16] = {
      -0.8480964004993439F, -0.4599952697753906F, -0.23460740596055984F, -0.045525018125772476F,
      0.1202552504837513F,  0.2920137718319893F,  0.5016634166240692F,   0.8614784181118011F};
};

// Of magnitudes: three levels.
struct Fp4 {
  static constexpr float kFirst = 0.29166667F;
  alignas(64) static constexpr float kSecond[16] = {0.0859375F, 0.583333F};
  alignas(64) static constexpr float kThird[16] = {0.00260417F, 0.20833333F, 0.4166667F,
                                                   0.8333333F};
};

// 1 where the value is greater, else 0.
HWY_INLINE hn::Vec<BlockI> IsGreater(BlockV value, BlockV threshold) {
  const BlockI di;
  return hn::IfThenElseZero(hn::RebindMask(di, hn::Gt(value, threshold)), hn::Set(di, 1));
}

// The next level's threshold for the places so far, of which there are `kPlaces`.
template <std::size_t kPlaces>
HWY_INLINE BlockV ThresholdAt(const float* thresholds, hn::Vec<BlockI> place) {
  const BlockF d;
  const BlockI di;
  if constexpr (kPlaces <= hn::MaxLanes(d)) {
    return hn::TableLookupLanes(hn::LoadU(d, thresholds), hn::IndicesFromVec(d, place));
  } else {
    BlockV threshold = hn::Set(d, thresholds[0]);
    for (std::size_t i = 1; i < kPlaces; ++i) {
      const auto here = hn::Eq(place, hn::Set(di, static_cast<std::int32_t>(i)));
      threshold = hn::IfThenElse(hn::RebindMask(d, here), hn::Set(d, thresholds[i]), threshold);
    }
    return threshold;
  }
}

template <class Thresholds>
HWY_INLINE hn::Vec<BlockI> PlaceOfFour(BlockV value) {
  const BlockF d;
  auto place = IsGreater(value, hn::Set(d, Thresholds::kFirst));
  place =
      hn::Add(hn::Add(place, place), IsGreater(value, ThresholdAt<2>(Thresholds::kSecond, place)));
  return hn::Add(hn::Add(place, place),
                 IsGreater(value, ThresholdAt<4>(Thresholds::kThird, place)));
}

HWY_INLINE hn::Vec<BlockI> Nf4Code(BlockV value) {
  const auto place = PlaceOfFour<Nf4>(value);
  return hn::Add(hn::Add(place, place), IsGreater(value, ThresholdAt<8>(Nf4::kFourth, place)));
}

// Magnitudes in order have the codes 0 1 6 7 4 5 2 3.
HWY_INLINE hn::Vec<BlockI> Fp4Code(BlockV value) {
  const BlockF d;
  const BlockI di;
  const auto place = PlaceOfFour<Fp4>(hn::Abs(value));
  const auto code = hn::Xor(place, hn::ShiftLeft<1>(hn::And(place, hn::Set(di, 2))));
  const auto is_negative = hn::RebindMask(di, hn::Lt(value, hn::Zero(d)));
  return hn::Or(code, hn::IfThenElseZero(is_negative, hn::Set(di, 8)));
}

template <bool kNf4>
HWY_INLINE hn::Vec<BlockI> Bnb4Code(BlockV value) {
  if constexpr (kNf4) {
    return Nf4Code(value);
  } else {
    return Fp4Code(value);
  }
}

}  // namespace onnxquant::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
