#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/methods/reference.h"

namespace onnxquant::methods::reference {
namespace {

// A row on its way, with the shapes that all rows share.
struct Row {
  const Grid& grid;
  const Factors& factors;
  std::size_t columns, block, blocks;
  absl::Span<const float> weights;
  std::vector<float> codes;  // less the zero point
  std::vector<ScaleAndZero> scales;
  std::vector<float> residuals;

  std::size_t End(std::size_t b) const { return std::min((b + 1) * block, columns); }
  float H(std::size_t i, std::size_t j) const { return factors.moments[i * columns + j]; }
  float U(std::size_t i, std::size_t j) const { return factors.factor[j * columns + i]; }

  void SetResiduals() {
    for (std::size_t i = 0; i < columns; ++i) {
      residuals[i] = std::fma(-codes[i], scales[i / block].scale, weights[i]);
    }
  }
  float Gradient(std::size_t i) const {
    float sum = 0;
    for (std::size_t j = 0; j < columns; ++j) sum = std::fma(H(i, j), residuals[j], sum);
    return sum;
  }
};

struct Followed {
  float sum = 0;
  std::vector<float> codes, errors;
};

Followed Follow(const Row& row, std::size_t first, std::vector<float> x, const ScaleAndZero& to) {
  Followed followed;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float code = CodeOf(row.grid, x[i], to);
    const float error = std::fma(-code, to.scale, x[i]) / row.U(first + i, first + i);
    followed.sum = std::fma(error, error, followed.sum);
    followed.codes.push_back(code);
    followed.errors.push_back(error);
    for (std::size_t j = i + 1; j < x.size(); ++j) {
      x[j] = std::fma(-row.U(first + i, first + j), error, x[j]);
    }
  }
  return followed;
}

std::vector<ScaleAndZero> Shortlist(const Row& row, std::size_t first, const std::vector<float>& x,
                                    int candidates) {
  std::vector<float> importance;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float diagonal = row.U(first + i, first + i);
    importance.push_back(1.0F / (diagonal * diagonal));
  }
  struct Scored {
    float score;
    ScaleAndZero to;
  };
  std::vector<Scored> scored;
  for (const ScaleAndZero& to : ScalesToTry(row.grid, x)) {
    scored.push_back({ErrorOf(row.grid, x, importance, to), to});
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.score < b.score; });
  std::vector<ScaleAndZero> best;
  for (const Scored& one : scored) {
    if (static_cast<int>(best.size()) < std::max(candidates, 1)) best.push_back(one.to);
  }
  return best;
}

void Feedback(Row& row, int candidates) {
  std::vector<float> current(row.weights.begin(), row.weights.end());
  for (std::size_t b = 0; b < row.blocks; ++b) {
    const std::size_t first = b * row.block;
    const std::size_t end = row.End(b);
    const std::vector<float> x(&current[first], &current[first] + (end - first));
    Followed best;
    best.sum = std::numeric_limits<float>::infinity();
    for (const ScaleAndZero& to : Shortlist(row, first, x, candidates)) {
      Followed followed = Follow(row, first, x, to);
      if (!(followed.sum < best.sum)) continue;
      best = std::move(followed);
      row.scales[b] = to;
    }
    std::copy(best.codes.begin(), best.codes.end(), row.codes.begin() + std::ptrdiff_t(first));
    for (std::size_t i = first; i < end; ++i) {
      for (std::size_t j = end; j < row.columns; ++j) {
        current[j] = std::fma(-row.U(i, j), best.errors[i - first], current[j]);
      }
    }
  }
}

using Square = std::vector<std::vector<float>>;

// The normal equations of the scales; only the lower triangle.
Square System(const Row& row) {
  Square system(row.blocks, std::vector<float>(row.blocks));
  for (std::size_t b = 0; b < row.blocks; ++b) {
    for (std::size_t c = 0; c <= b; ++c) {
      for (std::size_t i = b * row.block; i < row.End(b); ++i) {
        float sum = 0;
        for (std::size_t j = c * row.block; j < row.End(c); ++j) {
          sum = std::fma(row.H(i, j), row.codes[j], sum);
        }
        system[b][c] = std::fma(row.codes[i], sum, system[b][c]);
      }
    }
  }
  return system;
}

bool FactorSystem(Square& system) {
  float mean = 0;
  for (std::size_t b = 0; b < system.size(); ++b) mean += system[b][b];
  mean /= static_cast<float>(system.size());
  for (std::size_t i = 0; i < system.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      float sum = system[i][j] + (i == j ? mean * 1e-6F : 0.0F);
      for (std::size_t t = 0; t < j; ++t) sum = std::fma(-system[i][t], system[j][t], sum);
      if (i == j && !(sum > 0)) return false;
      system[i][j] = i == j ? std::sqrt(sum) : sum / system[j][j];
    }
  }
  return true;
}

std::vector<float> Solve(const Square& factor, const std::vector<float>& gradients) {
  std::vector<float> steps(gradients);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (std::size_t t = 0; t < i; ++t) steps[i] = std::fma(-factor[i][t], steps[t], steps[i]);
    steps[i] /= factor[i][i];
  }
  for (std::size_t i = steps.size(); i > 0;) {
    --i;
    for (std::size_t t = i + 1; t < steps.size(); ++t) {
      steps[i] = std::fma(-factor[t][i], steps[t], steps[i]);
    }
    steps[i] /= factor[i][i];
  }
  return steps;
}

float ChangeBy(const Square& factor, const std::vector<float>& gradients,
               const std::vector<float>& steps) {
  float change = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    float sum = 0;
    for (std::size_t t = i; t < steps.size(); ++t) sum = std::fma(factor[t][i], steps[t], sum);
    change = std::fma(sum, sum, change);
    change = std::fma(-(steps[i] + steps[i]), gradients[i], change);
  }
  return change;
}

void Refit(Row& row) {
  std::vector<float> gradients(row.blocks);
  for (std::size_t b = 0; b < row.blocks; ++b) {
    for (std::size_t i = b * row.block; i < row.End(b); ++i) {
      gradients[b] = std::fma(row.codes[i], row.Gradient(i), gradients[b]);
    }
  }
  Square system = System(row);
  if (!FactorSystem(system)) return;
  std::vector<float> steps = Solve(system, gradients);
  for (std::size_t b = 0; b < row.blocks; ++b) {
    const float old = row.scales[b].scale;
    const float found = old + steps[b];
    const bool usable = std::isfinite(found) && std::abs(found) >= LeastScale(row.grid);
    steps[b] = usable ? RoundScale(row.grid, found) - old : 0.0F;
  }
  if (!(ChangeBy(system, gradients, steps) < 0)) return;
  for (std::size_t b = 0; b < row.blocks; ++b) {
    row.scales[b].scale = RoundScale(row.grid, row.scales[b].scale + steps[b]);
  }
}

void Sweep(Row& row) {
  for (std::size_t b = 0; b < row.blocks; ++b) {
    const ScaleAndZero& to = row.scales[b];
    const float lowest = -to.zero;
    const float highest = static_cast<float>(row.grid.HighestCode()) - to.zero;
    std::vector<float> gradients;
    for (std::size_t i = b * row.block; i < row.End(b); ++i) gradients.push_back(row.Gradient(i));
    for (std::size_t i = b * row.block; i < row.End(b); ++i) {
      const float old = row.codes[i];
      const float way = gradients[i - b * row.block] / (row.H(i, i) * to.scale);
      const float code = std::min(std::max(std::nearbyint(old + way), lowest), highest);
      const float step = (code - old) * to.scale;
      row.codes[i] = code;
      row.residuals[i] = std::fma(-code, to.scale, row.weights[i]);
      for (std::size_t j = i + 1; j < row.End(b); ++j) {
        float& gradient = gradients[j - b * row.block];
        gradient = std::fma(-row.H(i, j), step, gradient);
      }
    }
  }
}

}  // namespace

Codes Gptq(const Grid& grid, absl::Span<const float> weights, std::int64_t k,
           const Factors& factors, const GptqOptions& options) {
  const auto columns = static_cast<std::size_t>(k);
  const auto blocks = static_cast<std::size_t>(grid.BlocksOf(k));
  Codes codes;
  for (std::size_t first = 0; first < weights.size(); first += columns) {
    Row row{grid,
            factors,
            columns,
            static_cast<std::size_t>(grid.block),
            blocks,
            weights.subspan(first, columns),
            std::vector<float>(columns),
            std::vector<ScaleAndZero>(blocks),
            std::vector<float>(columns)};
    Feedback(row, options.candidates);
    for (int i = 0; i < options.refinements; ++i) {
      row.SetResiduals();
      Refit(row);
      row.SetResiduals();
      Sweep(row);
    }
    for (std::size_t i = 0; i < columns; ++i) {
      codes.codes.push_back(
          static_cast<std::uint8_t>(row.codes[i] + row.scales[i / row.block].zero));
    }
    for (const ScaleAndZero& to : row.scales) {
      codes.scales.push_back(to.scale);
      codes.zero_points.push_back(static_cast<std::uint8_t>(to.zero));
    }
  }
  return codes;
}

}  // namespace onnxquant::methods::reference
