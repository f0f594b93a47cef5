#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/kernels/reference.h"

namespace onnxquant::kernels::reference {
namespace {

int QdqCode(const QdqFormat& format, float value, const BlockScale& scale) {
  const int offset = format.symmetric ? 1 << (format.bits - 1) : 0;
  const int lowest = -offset;
  const int highest = (1 << format.bits) - 1 - offset;
  const float reciprocal = scale.value != 0 ? 1.0F / scale.value : 0.0F;
  const float rounded = std::roundf(value * reciprocal);
  if (!(std::fabs(rounded) < 0x1p31F)) return lowest;
  const double zero_point = format.symmetric ? 0 : scale.zero_point;
  return static_cast<int>(
      std::clamp<double>(static_cast<double>(rounded) + zero_point, lowest, highest));
}

}  // namespace

void QuantizeQdq(const QdqFormat& format, bool along_rows, std::size_t block,
                 absl::Span<const float> rows, std::size_t k, std::size_t n,
                 absl::Span<std::uint8_t> data, const QdqScales& scales) {
  const auto bits = static_cast<std::size_t>(format.bits);
  const std::size_t row_block = along_rows ? 1 : block;
  const std::size_t column_block = along_rows ? block : 1;
  const std::size_t blocks_of_row = (n + column_block - 1) / column_block;
  std::fill(data.begin(), data.end(), std::uint8_t{0});
  for (std::size_t r = 0; r < k; r += row_block) {
    for (std::size_t c = 0; c < n; c += column_block) {
      const std::size_t end_r = std::min(k, r + row_block);
      const std::size_t end_c = std::min(n, c + column_block);
      float lo = std::numeric_limits<float>::max();
      float hi = -lo;
      for (std::size_t i = r; i < end_r; ++i) {
        for (std::size_t j = c; j < end_c; ++j) {
          if (rows[i * n + j] < lo) lo = rows[i * n + j];
          if (rows[i * n + j] > hi) hi = rows[i * n + j];
        }
      }
      const BlockScale scale =
          ChooseScale({format.bits, block, format.symmetric, format.scale}, lo, hi);
      const std::size_t index = r / row_block * blocks_of_row + c / column_block;
      if (format.scale == ScaleType::kFloat32) {
        scales.f32[index] = scale.value;
      } else {
        scales.f16[index] = FloatToHalf(scale.value);
      }
      if (!format.symmetric) {
        scales.zero_points[index] = static_cast<std::uint8_t>(scale.zero_point);
      }
      for (std::size_t i = r; i < end_r; ++i) {
        for (std::size_t j = c; j < end_c; ++j) {
          const int code = QdqCode(format, rows[i * n + j], scale) & ((1 << bits) - 1);
          const std::size_t bit = (i * n + j) * bits;
          data[bit / 8] = static_cast<std::uint8_t>(data[bit / 8] | code << (bit % 8));
        }
      }
    }
  }
}

}  // namespace onnxquant::kernels::reference
