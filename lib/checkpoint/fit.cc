#include "lib/checkpoint/fit.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace onnxquant {
namespace {

using Values = std::vector<float>;
using Places = std::vector<std::pair<std::int64_t, std::int64_t>>;

// Spread over a matrix: the same for all of one shape.
Places PlacesIn(std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kPlaces = 64;
  const std::int64_t down = std::min<std::int64_t>(rows, 8);
  const std::int64_t across = std::min(columns, kPlaces / down);
  Places places;
  for (std::int64_t i = 0; i < down; ++i) {
    const std::int64_t stride = columns / across;
    for (std::int64_t j = 0; j < across; ++j) {
      places.emplace_back(i * rows / down, j * stride + (i * 13 + j * 7) % stride);
    }
  }
  return places;
}

}  // namespace

Values SamplesOf(const TensorRows& tensor) {
  Values samples;
  for (const auto& [row, column] : PlacesIn(tensor.rows, tensor.columns)) {
    samples.push_back(tensor.At(row, column));
  }
  return samples;
}

Values SamplesOf(const ValueMatrix& matrix) {
  Values samples;
  Values one;
  for (const auto& [line, place] : PlacesIn(matrix.lines(), matrix.length())) {
    matrix.Read(line, 1, place, 1, one);
    samples.push_back(one[0]);
  }
  return samples;
}

TensorFit BestFit(const Values& x, const Values& y, bool vector) {
  double xx = 0, xy = 0, yy = 0, plain = 0, more = 0, less = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = double{x[i]};
    const double b = double{y[i]};
    xx += a * a;
    xy += a * b;
    yy += b * b;
    plain += (b - a) * (b - a);
    more += (b - a - 1) * (b - a - 1);
    less += (b - a + 1) * (b - a + 1);
  }
  if (plain == 0) return {{}, 0};
  if (vector && more == 0) return {{1, 1}, 0};
  if (vector && less == 0) return {{1, -1}, 0};
  if (!(xx > 0) || !(yy > 0)) return {};
  TensorFit best{{}, std::sqrt(plain / xx)};
  const auto offer = [&best](Transform transform, double error) {
    // What changes nothing is what is meant, if it does.
    if (best.error > kSame && error < best.error) best = {transform, error};
  };
  if (vector) {
    offer({1, 1}, std::sqrt(more / std::min(xx, yy)));
    offer({1, -1}, std::sqrt(less / std::min(xx, yy)));
  }
  const double factor = xy / xx;
  const double scaled = std::sqrt(std::max(0.0, 1 - xy * xy / (xx * yy)));
  // Of what is alike but not the same a factor is told only where nothing else makes it alike.
  const bool tells = scaled <= kSame || (best.error > 1 && scaled < 0.5);
  if (tells && std::abs(factor) > 1e-9 && x.size() >= 8) offer({factor, 0}, scaled);
  if (!std::isfinite(best.error)) return {};
  return best;
}

}  // namespace onnxquant
