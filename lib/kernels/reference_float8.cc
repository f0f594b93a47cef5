#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/kernels/reference.h"

namespace onnxquant::kernels::reference {
namespace {

struct Fields {
  int fraction_bits;
  int bias;
  int largest;  // the code of the largest number
  int nan;
};

Fields FieldsOf(Float8Type type) {
  return type == Float8Type::kE4M3FN ? Fields{3, 7, 0x7E, 0x7F} : Fields{2, 15, 0x7B, 0x7E};
}

}  // namespace

float Float8ToFloat(Float8Type type, std::uint8_t bits) {
  const Fields fields = FieldsOf(type);
  const int code = bits & 0x7F;
  const int fraction = code & ((1 << fields.fraction_bits) - 1);
  const int exponent = code >> fields.fraction_bits;
  float magnitude = 0;
  if (type == Float8Type::kE5M2 && code == 0x7C) {
    magnitude = std::numeric_limits<float>::infinity();
  } else if (code > fields.largest) {
    magnitude = std::numeric_limits<float>::quiet_NaN();
  } else {
    const int units = exponent == 0 ? fraction : fraction | 1 << fields.fraction_bits;
    magnitude = std::ldexp(static_cast<float>(units),
                           std::max(exponent, 1) - fields.bias - fields.fraction_bits);
  }
  return bits < 0x80 ? magnitude : -magnitude;
}

// The nearest of all numbers, the even one of two that are as near.
std::uint8_t FloatToFloat8(Float8Type type, float value) {
  const Fields fields = FieldsOf(type);
  const int sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return static_cast<std::uint8_t>(sign | fields.nan);
  const double largest = Float8ToFloat(type, static_cast<std::uint8_t>(fields.largest));
  const double magnitude = std::min(std::fabs(static_cast<double>(value)), largest);
  int nearest = 0;
  double distance = magnitude;
  for (int code = 1; code <= fields.largest; ++code) {
    const double here =
        std::fabs(magnitude - double{Float8ToFloat(type, static_cast<std::uint8_t>(code))});
    if (here < distance || (here == distance && code % 2 == 0)) {
      nearest = code;
      distance = here;
    }
  }
  return static_cast<std::uint8_t>(sign | nearest);
}

NarrowStats FloatToFloat8(Float8Type type, absl::Span<const float> in,
                          absl::Span<std::uint8_t> out) {
  const Fields fields = FieldsOf(type);
  const double largest = Float8ToFloat(type, static_cast<std::uint8_t>(fields.largest));
  const double below = Float8ToFloat(type, static_cast<std::uint8_t>(fields.largest - 1));
  NarrowStats stats;
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = FloatToFloat8(type, in[i]);
    if (!std::isfinite(in[i])) {
      ++stats.nonfinite;
      continue;
    }
    const double magnitude = std::fabs(in[i]);
    stats.peak = std::max(stats.peak, magnitude);
    if (magnitude != 0 && (out[i] & 0x7F) == 0) ++stats.underflowed;
    // Half a step beyond the largest number; that itself goes to the even code.
    const double bound = largest + (largest - below) / 2;
    if (magnitude > bound || (magnitude == bound && fields.largest % 2 == 1)) ++stats.overflowed;
  }
  return stats;
}

}  // namespace onnxquant::kernels::reference
