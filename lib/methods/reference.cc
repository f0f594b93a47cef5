#include "lib/methods/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/kernels/reference.h"

namespace onnxquant::methods::reference {
namespace {

struct Range {
  float lowest = 0, highest = 0;
};

Range RangeOf(absl::Span<const float> block) {
  Range range;
  for (const float x : block) {
    range.lowest = std::min(range.lowest, x);
    range.highest = std::max(range.highest, x);
  }
  return range;
}

float FittedScale(const Grid& grid, absl::Span<const float> block,
                  absl::Span<const float> importance, const ScaleAndZero& to) {
  float products = 0;
  float squares = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const float code = CodeOf(grid, block[i], to);
    const float weighted = code * importance[i];
    products = std::fma(weighted, block[i], products);
    squares = std::fma(weighted, code, squares);
  }
  const float fitted = products / squares;
  return RoundScale(grid, squares > 0 && std::isfinite(fitted) ? fitted : to.scale);
}

// choose(block of weights, its first column) for each block.
template <class Choose>
Codes ByBlocks(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
               const Choose& choose) {
  const auto columns = static_cast<std::size_t>(k);
  const auto block = static_cast<std::size_t>(grid.block);
  Codes codes;
  for (std::size_t row = 0; row < weights.size(); row += columns) {
    for (std::size_t first = 0; first < columns; first += block) {
      const absl::Span<const float> x =
          weights.subspan(row + first, std::min(block, columns - first));
      const ScaleAndZero best = choose(x, first);
      codes.scales.push_back(best.scale);
      codes.zero_points.push_back(static_cast<std::uint8_t>(best.zero));
      for (const float value : x) {
        codes.codes.push_back(static_cast<std::uint8_t>(CodeOf(grid, value, best) + best.zero));
      }
    }
  }
  return codes;
}

}  // namespace

float RoundScale(const Grid& grid, float scale) {
  float magnitude = std::max(std::abs(scale), LeastScale(grid));
  if (grid.half_scales) {
    magnitude = std::min(magnitude, 65504.0F);
    magnitude = kernels::reference::HalfToFloat(kernels::reference::FloatToHalf(magnitude));
  }
  return std::copysign(magnitude, scale);
}

float CodeOf(const Grid& grid, float value, const ScaleAndZero& to) {
  const float highest = static_cast<float>(grid.HighestCode()) - to.zero;
  return std::min(std::max(std::nearbyint(value / to.scale), -to.zero), highest);
}

std::vector<ScaleAndZero> ScalesToTry(const Grid& grid, absl::Span<const float> block) {
  const Range range = RangeOf(block);
  const auto highest = static_cast<float>(grid.HighestCode());
  const auto middle = static_cast<float>(grid.MiddleCode());
  std::vector<ScaleAndZero> scales;
  for (const float share : ShrinksOf(grid).shares) {
    if (grid.symmetric) {
      const float scale = RoundScale(grid, share * std::max(range.highest, -range.lowest) / middle);
      scales.push_back({scale, middle});
      scales.push_back({-scale, middle});
      continue;
    }
    const float exact =
        std::max(share * (range.highest - range.lowest) / highest, LeastScale(grid));
    const float zero = std::clamp(std::nearbyint(share * -range.lowest / exact), 0.0F, highest);
    for (const float step : {-1.0F, 0.0F, 1.0F}) {
      if (zero + step < 0 || zero + step > highest) continue;
      scales.push_back({RoundScale(grid, exact), zero + step});
    }
  }
  return scales;
}

float ErrorOf(const Grid& grid, absl::Span<const float> block, absl::Span<const float> importance,
              const ScaleAndZero& to) {
  float sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const float error = std::fma(-CodeOf(grid, block[i], to), to.scale, block[i]);
    sum = std::fma(error * importance[i], error, sum);
  }
  return sum;
}

Codes Nearest(const Grid& grid, absl::Span<const float> weights, std::int64_t k) {
  return ByBlocks(grid, weights, k, [&](absl::Span<const float> block, std::size_t) {
    const Range range = RangeOf(block);
    const auto highest = static_cast<float>(grid.HighestCode());
    const auto middle = static_cast<float>(grid.MiddleCode());
    if (grid.symmetric) {
      const bool down = -range.lowest >= range.highest;
      const float reach = down ? range.lowest : range.highest;
      return ScaleAndZero{RoundScale(grid, -reach / middle), middle};
    }
    const float exact = std::max((range.highest - range.lowest) / highest, LeastScale(grid));
    return ScaleAndZero{RoundScale(grid, exact),
                        std::clamp(std::nearbyint(-range.lowest / exact), 0.0F, highest)};
  });
}

Codes Search(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
             absl::Span<const float> importance) {
  const std::vector<float> ones(static_cast<std::size_t>(k), 1.0F);
  if (importance.empty()) importance = ones;
  return ByBlocks(grid, weights, k, [&](absl::Span<const float> block, std::size_t first) {
    const absl::Span<const float> weigh = importance.subspan(first, block.size());
    float best = std::numeric_limits<float>::infinity();
    ScaleAndZero chosen{1, static_cast<float>(grid.MiddleCode())};
    const auto offer = [&](const ScaleAndZero& to) {
      const float error = ErrorOf(grid, block, weigh, to);
      if (!(error < best)) return;
      best = error;
      chosen = to;
    };
    for (const ScaleAndZero& to : ScalesToTry(grid, block)) {
      offer(to);
      offer({FittedScale(grid, block, weigh, to), to.zero});
    }
    offer({FittedScale(grid, block, weigh, chosen), chosen.zero});
    return chosen;
  });
}

double Objective(absl::Span<const float> weights, absl::Span<const float> values, std::int64_t k,
                 absl::Span<const float> moments) {
  const auto columns = static_cast<std::size_t>(k);
  double sum = 0;
  std::vector<double> difference(columns);
  for (std::size_t row = 0; row < weights.size(); row += columns) {
    for (std::size_t i = 0; i < columns; ++i) {
      difference[i] = double{weights[row + i]} - (values.empty() ? 0.0 : double{values[row + i]});
    }
    for (std::size_t i = 0; i < columns; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        sum += difference[i] * double{moments[i * columns + j]} * difference[j];
      }
    }
  }
  return sum;
}

}  // namespace onnxquant::methods::reference
