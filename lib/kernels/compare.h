// How far one set of values is from another.
#ifndef ONNXQUANT_LIB_KERNELS_COMPARE_H_
#define ONNXQUANT_LIB_KERNELS_COMPARE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace onnxquant::kernels {

// Accumulates pairs (value, approximation). Sums are double. The result depends on how the values
// are divided over calls of Add and Merge, in the last bits only.
//
// A pair is equal if its values compare equal (so 0 and -0 do) or are both NaN; equal pairs that
// are not finite enter no sum. A pair of different values of which one is not finite is an infinite
// error, which max_abs, mse and sqnr_db show; it is left out of the cosine.
class Distortion {
 public:
  void Add(absl::Span<const float> values, absl::Span<const float> approximations);
  void Merge(const Distortion& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t differing() const { return differing_; }
  double max_abs() const { return max_abs_; }  // largest |value - approximation|; 0 of nothing
  double mse() const;                          // mean squared error; 0 of nothing
  // 10 log10(sum value^2 / sum error^2): infinity without an error, -infinity if the error is
  // infinite or the values are all 0.
  double sqnr_db() const;
  // 1 if all pairs are equal or nothing was added; 0 if one side is all 0 and the other is not.
  double cosine() const;
  // The factor by which the values come nearest to the approximations, by least squares; 1 of
  // nothing, of values that are all 0 and of equal pairs.
  double scale() const;

 private:
  std::uint64_t count_ = 0;
  std::uint64_t differing_ = 0;
  double max_abs_ = 0;
  double squared_error_ = 0;
  double squared_value_ = 0;
  double squared_approximation_ = 0;
  double product_ = 0;
};

}  // namespace onnxquant::kernels

#endif  // ONNXQUANT_LIB_KERNELS_COMPARE_H_
