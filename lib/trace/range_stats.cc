#include "lib/trace/range_stats.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace onnxquant {
namespace {

// A bin has the float's exponent and the first six bits of its significand.
constexpr int kSignificandBits = 6;
constexpr int kShift = 23 - kSignificandBits;
constexpr int kLowestExponent = -24;
constexpr int kHighestExponent = 40;
constexpr std::uint32_t kFirst = static_cast<std::uint32_t>(127 + kLowestExponent)
                                 << kSignificandBits;
// Below the first bin; between the exponents; beyond the last.
constexpr std::size_t kInner = (kHighestExponent - kLowestExponent) << kSignificandBits;
constexpr std::size_t kBins = kInner + 2;

std::size_t BinOf(float magnitude) {
  const std::uint32_t key = std::bit_cast<std::uint32_t>(magnitude) >> kShift;
  if (key < kFirst) return 0;
  return std::min<std::size_t>(key - kFirst + 1, kBins - 1);
}

// The middle of a bin between the exponents.
double MiddleOf(std::size_t bin) {
  const std::uint32_t key = kFirst + static_cast<std::uint32_t>(bin) - 1;
  const std::uint32_t half = 1U << (kShift - 1);
  return std::bit_cast<float>((key << kShift) + half);
}

}  // namespace

void RangeStats::Add(absl::Span<const float> values) {
  if (bins_.empty()) bins_.resize(kBins);
  bool first = range_.elements == range_.nan + range_.inf;
  range_.elements += values.size();
  for (const float value : values) {
    if (std::isnan(value)) {
      ++range_.nan;
      continue;
    }
    const float magnitude = std::abs(value);
    ++bins_[BinOf(magnitude)];
    beyond_ += magnitude > kLargestHalf ? 1 : 0;
    if (std::isinf(value)) {
      ++range_.inf;
      continue;
    }
    range_.peak = std::max<double>(range_.peak, magnitude);
    range_.min = first ? value : std::min<double>(range_.min, value);
    range_.max = first ? value : std::max<double>(range_.max, value);
    first = false;
  }
}

double RangeStats::Quantile(double q) const {
  const std::uint64_t counted = range_.elements - range_.nan;
  if (counted == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(counted)));
  std::uint64_t seen = 0;
  for (std::size_t bin = 0; bin < bins_.size(); ++bin) {
    seen += bins_[bin];
    if (seen < wanted || seen == 0) continue;
    if (bin == 0) return 0;
    return bin == kBins - 1 ? range_.peak : std::min(MiddleOf(bin), range_.peak);
  }
  return range_.peak;
}

Range RangeStats::Finish() const {
  Range range = range_;
  range.p50 = Quantile(0.5);
  range.p99 = Quantile(0.99);
  range.p999 = Quantile(0.999);
  if (range.elements > 0) {
    range.beyond_fp16 = static_cast<double>(beyond_) / static_cast<double>(range.elements);
  }
  return range;
}

}  // namespace onnxquant
