#include "lib/kernels/reference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace onnxquant::kernels::reference {
namespace {

// A binary float: sign, exponent, fraction. Half and bfloat16 differ in two numbers.
struct SmallFloat {
  int fraction_bits;
  int bias;
};
constexpr SmallFloat kHalf = {10, 15};
constexpr SmallFloat kBFloat16 = {7, 127};

// Rounding is left to the quotient: the value in units of the last place that the result has, to
// the nearest integer, ties to even (what nearbyint does in the default rounding mode).
std::uint16_t Encode(float value, SmallFloat type) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 31 << 15;
  const std::uint32_t infinity = (1U << 15) - (1U << type.fraction_bits);
  if (std::isnan(value)) {
    const std::uint32_t payload = (bits & 0x7FFFFF) >> (23 - type.fraction_bits);
    return static_cast<std::uint16_t>(sign | infinity | 1U << (type.fraction_bits - 1) | payload);
  }
  if (std::isinf(value)) return static_cast<std::uint16_t>(sign | infinity);
  const double magnitude = std::fabs(static_cast<double>(value));
  if (magnitude == 0) return static_cast<std::uint16_t>(sign);
  const int exponent = std::max(std::ilogb(magnitude), 1 - type.bias);
  const auto units = static_cast<std::uint32_t>(
      std::nearbyint(std::ldexp(magnitude, type.fraction_bits - exponent)));
  // A significand that rounds up to the next power of two carries into the exponent by itself.
  const std::uint32_t biased = static_cast<std::uint32_t>(exponent + type.bias - 1);
  const std::uint32_t result = (biased << type.fraction_bits) + units;
  return static_cast<std::uint16_t>(sign | std::min(result, infinity));
}

float Decode(std::uint16_t bits, SmallFloat type) {
  const std::uint32_t fraction = bits & ((1U << type.fraction_bits) - 1);
  const int biased = (bits & 0x7FFF) >> type.fraction_bits;
  const std::uint32_t sign = static_cast<std::uint32_t>(bits) >> 15 << 31;
  if (biased == 2 * type.bias + 1) {
    const std::uint32_t quiet = fraction == 0 || type.bias == kBFloat16.bias ? 0 : 0x400000;
    return std::bit_cast<float>(sign | 0x7F800000 | quiet | fraction << (23 - type.fraction_bits));
  }
  const std::uint32_t units = biased == 0 ? fraction : fraction | 1U << type.fraction_bits;
  const double magnitude = std::ldexp(units, std::max(biased, 1) - type.bias - type.fraction_bits);
  const auto value = static_cast<float>(magnitude);
  return sign == 0 ? value : -value;
}

NarrowStats Narrow(absl::Span<const float> in, absl::Span<std::uint16_t> out, OverflowMode mode,
                   SmallFloat type) {
  const std::uint32_t infinity = (1U << 15) - (1U << type.fraction_bits);
  NarrowStats stats;
  for (std::size_t i = 0; i < in.size(); ++i) {
    out[i] = Encode(in[i], type);
    if (!std::isfinite(in[i])) {
      ++stats.nonfinite;
      continue;
    }
    stats.peak = std::max<double>(stats.peak, std::fabs(in[i]));
    if (in[i] != 0 && (out[i] & 0x7FFF) == 0) ++stats.underflowed;
    if ((out[i] & 0x7FFF) < infinity) continue;
    ++stats.overflowed;
    if (mode == OverflowMode::kClamp) --out[i];
  }
  return stats;
}

}  // namespace

std::uint16_t FloatToHalf(float value) {
  return Encode(value, kHalf);
}
float HalfToFloat(std::uint16_t bits) {
  return Decode(bits, kHalf);
}
std::uint16_t FloatToBFloat16(float value) {
  return Encode(value, kBFloat16);
}
float BFloat16ToFloat(std::uint16_t bits) {
  return Decode(bits, kBFloat16);
}

NarrowStats FloatToHalf(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                        OverflowMode mode) {
  return Narrow(in, out, mode, kHalf);
}

NarrowStats FloatToBFloat16(absl::Span<const float> in, absl::Span<std::uint16_t> out,
                            OverflowMode mode) {
  return Narrow(in, out, mode, kBFloat16);
}

BlockScale ChooseScale(const BlockFormat& format, float lo, float hi) {
  const int mid = 1 << (format.bits - 1);
  const int largest_code = (1 << format.bits) - 1;
  BlockScale scale = {0, static_cast<float>(mid)};
  if (format.symmetric) {
    const float extreme = std::fabs(hi) > std::fabs(lo) ? hi : lo;
    scale.value = -extreme / static_cast<float>(mid);
  } else {
    lo = std::min(lo, 0.0F);
    hi = std::max(hi, 0.0F);
    scale.value = (hi - lo) / static_cast<float>(largest_code);
    const float exact = scale.value != 0 ? 0.0F - lo / scale.value : lo;
    scale.zero_point =
        exact > 0 ? std::roundf(std::min(exact, static_cast<float>(largest_code))) : 0.0F;
  }
  if (format.scale == ScaleType::kFloat16) scale.value = HalfToFloat(FloatToHalf(scale.value));
  return scale;
}

void QuantizeTile(const BlockFormat& format, WeightLayout layout, absl::Span<const float> tile,
                  std::size_t k, std::size_t n, const TileOutput& output) {
  const std::size_t blocks = (k + format.block - 1) / format.block;
  const auto bits = static_cast<std::size_t>(format.bits);
  const std::size_t pack = 8 / bits;
  const auto at = [&](std::size_t row, std::size_t column) {
    return layout == WeightLayout::kKN ? tile[row * n + column] : tile[column * k + row];
  };
  for (std::size_t column = 0; column < n; ++column) {
    std::vector<BlockScale> scales;
    for (std::size_t block = 0; block < blocks; ++block) {
      float lo = std::numeric_limits<float>::max();
      float hi = -lo;
      for (std::size_t row = block * format.block; row < std::min(k, (block + 1) * format.block);
           ++row) {
        if (at(row, column) < lo) lo = at(row, column);
        if (at(row, column) > hi) hi = at(row, column);
      }
      scales.push_back(ChooseScale(format, lo, hi));
      const std::size_t index = column * blocks + block;
      if (format.scale == ScaleType::kFloat32) {
        output.scales_f32[index] = scales.back().value;
      } else {
        output.scales_f16[index] = FloatToHalf(scales.back().value);
      }
      if (!format.symmetric) {
        output.zero_points[index] = static_cast<std::uint8_t>(scales.back().zero_point);
      }
    }
    // Bytes are built in an array that lives as long as a group of blocks, as ONNX Runtime builds
    // them: that is where the unused slots of a last byte come from.
    const std::size_t column_bytes = blocks * format.block / pack;
    std::vector<unsigned> slots(pack);
    for (std::size_t byte = 0; byte < column_bytes; ++byte) {
      std::uint8_t& packed = output.data[column * column_bytes + byte];
      packed = 0;
      if (byte * pack >= k) continue;
      if (byte * pack % (pack * format.block) == 0) std::fill(slots.begin(), slots.end(), 0U);
      for (std::size_t slot = 0; slot < pack && byte * pack + slot < k; ++slot) {
        const std::size_t row = byte * pack + slot;
        const BlockScale& scale = scales[row / format.block];
        const float reciprocal = scale.value != 0 ? 1.0F / scale.value : 0.0F;
        const float code = std::roundf(at(row, column) * reciprocal + scale.zero_point);
        const auto largest = static_cast<float>((1 << format.bits) - 1);
        slots[slot] = code > 0 ? static_cast<unsigned>(std::min(code, largest)) : 0U;
      }
      for (std::size_t slot = 0; slot < pack; ++slot) {
        packed = static_cast<std::uint8_t>(packed | slots[slot] << (slot * bits));
      }
    }
  }
}

void DequantizeBlocks(const BlockFormat& format, absl::Span<const std::uint8_t> data,
                      absl::Span<const float> scales, absl::Span<const std::uint8_t> zero_points,
                      std::size_t k, std::size_t n, absl::Span<float> output) {
  const auto bits = static_cast<std::size_t>(format.bits);
  const std::size_t blocks = (k + format.block - 1) / format.block;
  const auto code = [bits](absl::Span<const std::uint8_t> packed, std::size_t row_bytes,
                           std::size_t row, std::size_t index) {
    const int byte = packed[row * row_bytes + index * bits / 8];
    return byte >> (index * bits % 8) & ((1 << bits) - 1);
  };
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t i = 0; i < k; ++i) {
      const std::size_t block = i / format.block;
      const int zero_point = zero_points.empty()
                                 ? 1 << (bits - 1)
                                 : code(zero_points, (blocks * bits + 7) / 8, row, block);
      const int centred = code(data, blocks * format.block * bits / 8, row, i) - zero_point;
      output[row * k + i] = static_cast<float>(centred) * scales[row * blocks + block];
    }
  }
}

}  // namespace onnxquant::kernels::reference
