#include "lib/methods/lattice.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "absl/numeric/bits.h"
#include "lib/base/error.h"
#include "lib/kernels/half.h"
#include "lib/methods/group.h"

namespace onnxquant::methods {
namespace {

float ToHalf(float value) {
  kernels::RoundToHalf({&value, 1}, {&value, 1}, kernels::OverflowMode::kInfinity);
  return value;
}

float ToBFloat16(float value) {
  std::uint16_t narrow = 0;
  kernels::FloatToBFloat16({&value, 1}, {&narrow, 1}, kernels::OverflowMode::kInfinity);
  kernels::BFloat16ToFloat({&narrow, 1}, {&value, 1});
  return value;
}

float Rounded(float value, Rounding rounding) {
  if (rounding == Rounding::kHalf) return ToHalf(value);
  return rounding == Rounding::kBFloat16 ? ToBFloat16(value) : value;
}

// Half of the distance between neighbouring numbers about a positive one.
double RoundingError(double value, Rounding rounding) {
  const int digits = rounding == Rounding::kFloat ? 24 : rounding == Rounding::kHalf ? 11 : 8;
  const int least = rounding == Rounding::kHalf ? -14 : -126;
  return std::ldexp(0.5, std::max(std::ilogb(value), least) - digits + 1);
}

// Below a power of two numbers lie twice as close.
double RoundingErrorBelow(double value, Rounding rounding) {
  int exponent = 0;
  const double error = RoundingError(value, rounding);
  return std::frexp(value, &exponent) == 0.5 ? error / 2 : error;
}

// A positive float as odd * 2^exponent.
struct OddPart {
  std::uint32_t odd;
  int exponent;
};

OddPart Split(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits &= 0x7FFFFFFFU;
  const std::uint32_t exponent = bits >> 23U;
  std::uint32_t digits = bits & 0x7FFFFFU;
  if (exponent != 0) digits |= 0x800000U;
  const int zeros = absl::countr_zero(digits);
  return {digits >> static_cast<unsigned>(zeros),
          static_cast<int>(std::max(exponent, 1U)) - 150 + zeros};
}

float Largest(absl::Span<const float> values) {
  float largest = 0;
  for (const float value : values) {
    const float size = std::abs(value);
    if (!(size <= std::numeric_limits<float>::max())) return size;
    largest = std::max(largest, size);
  }
  return largest;
}

// The greatest number of which all values are exact multiples, if the largest is one of no more
// than `most` times; else 0. Not for values that are all zero.
double CommonDivisor(absl::Span<const float> values, float largest, int most) {
  std::uint32_t odd = 0;
  int exponent = 0;
  const double least = double{largest} / most;
  for (const float value : values) {
    if (value == 0) continue;
    const OddPart part = Split(value);
    if (odd != 0 && part.exponent >= exponent && part.odd % odd == 0) continue;
    exponent = odd == 0 ? part.exponent : std::min(exponent, part.exponent);
    odd = odd == 0 ? part.odd : std::gcd(part.odd, odd);
    if (std::ldexp(odd, exponent) < least) return 0;
  }
  double divisor = std::ldexp(odd, exponent);
  if (divisor == double{ToHalf(static_cast<float>(divisor))}) return divisor;
  // The integers may have a factor in common, which makes a float16 scale another number. Only few
  // integers, of a few values, have one by chance.
  for (std::uint32_t factor = 3; factor <= 15; factor += 2) {
    const double finer = divisor / factor;
    if (odd % factor == 0 && finer >= least && double{largest} <= 16 * finer &&
        finer == double{ToHalf(static_cast<float>(finer))}) {
      return finer;
    }
  }
  return divisor;
}

// Whether the values are those multiples of the scale, after rounding. Of a value that is none
// nothing is said of the multiples.
bool Are(absl::Span<const float> values, float scale, Rounding rounding, int most,
         absl::Span<std::int16_t> multiples) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double ratio = std::nearbyint(double{values[i]} / double{scale});
    if (!(std::abs(ratio) <= most)) return false;
    if (Rounded(static_cast<float>(ratio) * scale, rounding) != values[i]) return false;
    multiples[i] = static_cast<std::int16_t>(ratio);
  }
  return true;
}

struct Interval {
  double least;
  double most;
  double Middle() const { return (least + most) / 2; }
};

// The scales of which all values may be multiples, if the largest is `of_largest` of them.
std::optional<Interval> ScalesFor(absl::Span<const float> values, double largest, int of_largest,
                                  Rounding rounding) {
  Interval scales{(largest - RoundingErrorBelow(largest, rounding)) / of_largest,
                  (largest + RoundingError(largest, rounding)) / of_largest};
  for (const float value : values) {
    if (value == 0) continue;
    const double size = std::abs(double{value});
    const double multiple = std::nearbyint(size / scales.Middle());
    if (multiple == 0) return std::nullopt;
    scales.least = std::max(scales.least, (size - RoundingErrorBelow(size, rounding)) / multiple);
    scales.most = std::min(scales.most, (size + RoundingError(size, rounding)) / multiple);
    if (scales.least > scales.most) return std::nullopt;
  }
  return scales;
}

// A float16 number of the interval, or one in the middle.
float ScaleFor(absl::Span<const float> values, const Interval& scales, Rounding rounding, int most,
               absl::Span<std::int16_t> multiples) {
  const auto middle = static_cast<float>(scales.Middle());
  const float half = ToHalf(middle);
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float scale :
       {half, middle, std::nextafter(middle, 0.0F), std::nextafter(middle, infinity)}) {
    const bool usable = scale > 0 && scale <= std::numeric_limits<float>::max();
    if (usable && Are(values, scale, rounding, most, multiples)) return scale;
  }
  return 0;
}

// Whether a step, or an odd share of it, is a float16 number but for an error.
bool IsHalfButFor(double step, double error) {
  for (int share = 1; share <= 15; share += 2) {
    const double length = step / share;
    if (std::abs(double{ToHalf(static_cast<float>(length))} - length) <= error / share) return true;
  }
  return false;
}

// How many bits hold integers from -2^(bits - 1) to 2^(bits - 1) - 1.
int SignedBits(int least, int most) {
  int bits = 1;
  while (least < -(1 << (bits - 1)) || most > (1 << (bits - 1)) - 1) ++bits;
  return bits;
}

BlockLattice Summarize(absl::Span<const float> values, float scale,
                       absl::Span<const std::int16_t> multiples) {
  BlockLattice found;
  found.scale = scale;
  found.half_scale = scale == ToHalf(scale);
  bool zeros = false;
  bool positive_zeros = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    found.least = std::min<int>(found.least, multiples[i]);
    found.most = std::max<int>(found.most, multiples[i]);
    zeros = zeros || values[i] == 0;
    positive_zeros = positive_zeros || (values[i] == 0 && !std::signbit(values[i]));
  }
  found.negative_zeros = zeros && !positive_zeros;
  return found;
}

bool Turns(const BlockLattice& block, int bits) {
  const bool fits = SignedBits(block.least, block.most) <= bits;
  const bool turned = SignedBits(-block.most, -block.least) <= bits;
  return turned && (!fits || block.negative_zeros);
}

}  // namespace

int BlockLattice::SymmetricBits() const {
  return std::min(SignedBits(least, most), SignedBits(-most, -least));
}

int BlockLattice::ZeroPointBits() const {
  int bits = 1;
  while (most - least > (1 << bits) - 1) ++bits;
  return bits;
}

std::optional<BlockLattice> FindBlockLattice(absl::Span<const float> values, Rounding rounding,
                                             int most, absl::Span<std::int16_t> multiples) {
  const float largest = Largest(values);
  if (!(largest <= std::numeric_limits<float>::max())) return std::nullopt;
  if (largest == 0) {
    std::fill(multiples.begin(), multiples.end(), std::int16_t{0});
    return Summarize(values, 0, multiples);
  }
  const auto divisor = static_cast<float>(CommonDivisor(values, largest, most));
  if (divisor > 0 && Are(values, divisor, rounding, most, multiples)) {
    return Summarize(values, divisor, multiples);
  }
  for (int of_largest = 1; of_largest <= most; ++of_largest) {
    const std::optional<Interval> scales = ScalesFor(values, double{largest}, of_largest, rounding);
    if (!scales) continue;
    const float scale = ScaleFor(values, *scales, rounding, most, multiples);
    if (scale > 0) return Summarize(values, scale, multiples);
  }
  return std::nullopt;
}

std::optional<BlockSteps> FindSteps(absl::Span<const float> values, Rounding rounding, int most) {
  const float largest = Largest(values);
  if (!(largest <= std::numeric_limits<float>::max())) return std::nullopt;
  if (values.empty()) return BlockSteps{};
  const double least = double{*std::min_element(values.begin(), values.end())};
  const double span = double{*std::max_element(values.begin(), values.end())} - least;
  if (span == 0) return BlockSteps{};
  // Of a value, and of the least one; the step was rounded when it was multiplied, too.
  const double error = 2 * RoundingError(std::max(double{largest}, span), rounding);
  for (int steps = 1; steps <= most; ++steps) {
    const double step = span / steps;
    // Rounding errors alone would pass for steps.
    if (step < 8 * error) return std::nullopt;
    const bool all = std::all_of(values.begin(), values.end(), [&](float value) {
      const double way = double{value} - least;
      return std::abs(way - std::nearbyint(way / step) * step) <= error;
    });
    if (all) return BlockSteps{steps, static_cast<float>(step), IsHalfButFor(step, error / steps)};
  }
  return std::nullopt;
}

absl::StatusOr<Codes> Lattice(const Grid& grid, absl::Span<const float> rows, std::int64_t k,
                              Rounding rounding) {
  const GroupSizes sizes(grid, k);
  const std::size_t count = rows.size() / sizes.columns;
  const int most = grid.symmetric ? grid.MiddleCode() : grid.HighestCode();
  Codes codes = EmptyCodes(sizes, count);
  std::vector<std::int16_t> multiples(std::min(sizes.block, sizes.columns));
  for (std::size_t at = 0; at < count * sizes.blocks; ++at) {
    const std::size_t b = at % sizes.blocks;
    const std::size_t first = at / sizes.blocks * sizes.columns + b * sizes.block;
    const std::size_t size = sizes.BlockSize(b);
    const auto found = FindBlockLattice(rows.subspan(first, size), rounding, most,
                                        absl::MakeSpan(multiples).first(size));
    const bool holds =
        found && (grid.symmetric ? found->SymmetricBits() : found->ZeroPointBits()) <= grid.bits;
    if (!holds)
      return InternalError("block ", at, " of a weight lies on no grid of ", grid.bits, " bits");
    const bool turned = grid.symmetric && Turns(*found, grid.bits);
    const int zero = grid.symmetric ? grid.MiddleCode() : -found->least;
    codes.scales[at] = grid.half_scales ? ToHalf(found->scale) : found->scale;
    if (turned) codes.scales[at] = -codes.scales[at];
    codes.zero_points[at] = static_cast<std::uint8_t>(zero);
    for (std::size_t i = 0; i < size; ++i) {
      codes.codes[first + i] =
          static_cast<std::uint8_t>(zero + (turned ? -multiples[i] : multiples[i]));
    }
  }
  return codes;
}

}  // namespace onnxquant::methods
