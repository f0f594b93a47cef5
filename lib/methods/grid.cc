#include "lib/methods/grid.h"

namespace onnxquant::methods {
namespace {

struct ShrinkRange {
  double first, last;
};

// Four bits: as measured on real models. Eight bits lose more by cutting than by coarse steps.
ShrinkRange RangeOf(const Grid& grid) {
  if (grid.bits == 2) return grid.symmetric ? ShrinkRange{0.6, 1.2} : ShrinkRange{0.5, 1.0};
  if (grid.bits == 4) return grid.symmetric ? ShrinkRange{0.7, 1.1} : ShrinkRange{0.7, 1.0};
  return {0.955, 1.0};
}

}  // namespace

std::vector<float> Values(const Grid& grid, const Codes& codes, std::int64_t k) {
  std::vector<float> values(codes.codes.size());
  const auto columns = static_cast<std::size_t>(k);
  const auto block = static_cast<std::size_t>(grid.block);
  const auto blocks = static_cast<std::size_t>(grid.BlocksOf(k));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t at = i / columns * blocks + i % columns / block;
    values[i] =
        static_cast<float>(int{codes.codes[i]} - int{codes.zero_points[at]}) * codes.scales[at];
  }
  return values;
}

Shrinks ShrinksOf(const Grid& grid) {
  const ShrinkRange range = RangeOf(grid);
  Shrinks shrinks{};
  for (int i = 0; i < Shrinks::kCount; ++i) {
    shrinks.shares[i] =
        static_cast<float>(range.first + (range.last - range.first) * i / (Shrinks::kCount - 1));
  }
  return shrinks;
}

float LeastScale(const Grid& grid) {
  return grid.half_scales ? 6e-8F : 1e-30F;
}

}  // namespace onnxquant::methods
