// Ranges of values, gathered piece by piece in bounded memory.
#ifndef ONNXQUANT_LIB_TRACE_RANGE_STATS_H_
#define ONNXQUANT_LIB_TRACE_RANGE_STATS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace onnxquant {

inline constexpr float kLargestHalf = 65504;

struct Range {
  std::uint64_t elements = 0;
  double peak = 0;  // largest finite |x|
  double min = 0;   // smallest and largest finite x; 0 of nothing
  double max = 0;
  // Quantiles of |x| over everything but NaN, to 0.8 % of their value; magnitudes below 2^-24, the
  // smallest that float16 has, count as 0.
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  double beyond_fp16 = 0;  // share of elements with |x| > 65504, Inf included
  std::uint64_t nan = 0;
  std::uint64_t inf = 0;
};

// Magnitudes are counted in bins of 1/64 of an octave, from 2^-24 to 2^40.
class RangeStats {
 public:
  void Add(absl::Span<const float> values);
  Range Finish() const;

 private:
  double Quantile(double q) const;

  Range range_;
  std::uint64_t beyond_ = 0;
  std::vector<std::uint64_t> bins_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_TRACE_RANGE_STATS_H_
