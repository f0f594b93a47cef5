#include "lib/kernels/double.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "hwy/base.h"

namespace onnxquant::kernels {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();

// The neighbour of `nearest` on the side of `exact`, where `nearest` is even.
float ToOdd(double exact, float nearest) {
  if (!std::isfinite(exact)) return nearest;
  if (!std::isfinite(nearest)) return std::copysign(kLargest, nearest);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &nearest, sizeof(bits));
  const auto rounded = static_cast<double>(nearest);
  if (rounded == exact || (bits & 1U) != 0) return nearest;
  // The bits of magnitudes are ordered as the numbers are. From zero, away from it.
  const bool away = std::fabs(exact) > std::fabs(rounded);
  bits = away ? bits + 1 : bits - 1;
  std::memcpy(&nearest, &bits, sizeof(bits));
  return nearest;
}

}  // namespace

NarrowStats DoubleToFloat(absl::Span<const double> in, absl::Span<float> out, OverflowMode mode) {
  HWY_ASSERT(in.size() == out.size());
  NarrowStats stats;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double exact = in[i];
    auto number = static_cast<float>(exact);
    if (std::isfinite(exact)) {
      stats.peak = std::max(stats.peak, std::fabs(exact));
      stats.underflowed += exact != 0 && number == 0 ? 1 : 0;
      if (!std::isfinite(number)) {
        ++stats.overflowed;
        if (mode == OverflowMode::kClamp) number = std::copysign(kLargest, number);
      }
    } else {
      ++stats.nonfinite;
    }
    out[i] = number;
  }
  return stats;
}

void DoubleToOddFloat(absl::Span<const double> in, absl::Span<float> out) {
  HWY_ASSERT(in.size() == out.size());
  for (std::size_t i = 0; i < in.size(); ++i) out[i] = ToOdd(in[i], static_cast<float>(in[i]));
}

}  // namespace onnxquant::kernels
