#include "lib/methods/group.h"

namespace onnxquant::methods {

void LoadGroup(const GroupSizes& sizes, const float* rows, std::size_t count, Group& group) {
  if (count < kGroup) std::fill_n(group.weights.get(), sizes.columns * kGroup, 0.0F);
  for (std::size_t row = 0; row < count; ++row) {
    const float* from = rows + row * sizes.columns;
    float* to = group.weights.get() + row;
    for (std::size_t i = 0; i < sizes.columns; ++i, to += kGroup) {
      *to = std::isfinite(from[i]) ? from[i] : 0.0F;
    }
  }
}

void StoreGroup(const Grid& grid, const GroupSizes& sizes, const Group& group, std::size_t first,
                std::size_t count, Codes& codes) {
  const auto highest = static_cast<float>(grid.HighestCode());
  // Not a number where weights were too large to be squared.
  const auto code = [highest](float value) {
    return static_cast<std::uint8_t>(value > 0 ? std::min(value, highest) : 0.0F);
  };
  for (std::size_t row = 0; row < count; ++row) {
    for (std::size_t b = 0; b < sizes.blocks; ++b) {
      const float zero = group.zeros[b * kGroup + row];
      const std::size_t at = (first + row) * sizes.blocks + b;
      codes.scales[at] = group.scales[b * kGroup + row];
      codes.zero_points[at] = code(zero);
      std::uint8_t* to = &codes.codes[(first + row) * sizes.columns + b * sizes.block];
      const float* from = group.codes.get() + b * sizes.block * kGroup + row;
      for (std::size_t i = 0; i < sizes.BlockSize(b); ++i) to[i] = code(from[i * kGroup] + zero);
    }
  }
}

Codes EmptyCodes(const GroupSizes& sizes, std::size_t rows) {
  Codes codes;
  codes.codes.resize(rows * sizes.columns);
  codes.scales.resize(rows * sizes.blocks);
  codes.zero_points.resize(rows * sizes.blocks);
  return codes;
}

}  // namespace onnxquant::methods
