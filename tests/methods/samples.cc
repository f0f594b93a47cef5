#include "tests/methods/samples.h"

#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "lib/methods/reference.h"

namespace onnxquant::methods {

std::vector<float> SampleWeights(std::int64_t n, std::int64_t k, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> weights(static_cast<std::size_t>(n * k));
  for (float& weight : weights) {
    weight = 0.05F * normal(random);
    if (random() % 50 == 0) weight *= 6;
  }
  return weights;
}

std::vector<float> SampleMoments(std::int64_t k, int tokens, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto size = static_cast<std::size_t>(k);
  std::vector<float> mixture(size * size);
  for (float& share : mixture) share = normal(random) / std::sqrt(static_cast<float>(size));
  std::vector<double> sums(size * size);
  std::vector<float> z(size);
  std::vector<float> x(size);
  for (int token = 0; token < tokens; ++token) {
    for (std::size_t i = 0; i < size; ++i) z[i] = normal(random) * (i % 13 == 0 ? 5.0F : 1.0F);
    for (std::size_t i = 0; i < size; ++i) {
      x[i] = std::inner_product(z.begin(), z.end(), &mixture[i * size], 0.3F * z[i]);
    }
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) sums[i * size + j] += double{x[i]} * double{x[j]};
    }
  }
  std::vector<float> moments(size * size);
  for (std::size_t i = 0; i < moments.size(); ++i) {
    moments[i] = static_cast<float>(sums[i] / tokens);
  }
  return moments;
}

Factors FactorsOf(const std::vector<float>& moments, std::int64_t k) {
  absl::StatusOr<Factors> factors = Factor(moments, k, {});
  EXPECT_TRUE(factors.ok()) << factors.status();
  return factors.ok() ? *std::move(factors) : Factors();
}

std::vector<Grid> GridsOf(const std::vector<std::int64_t>& blocks) {
  std::vector<Grid> grids;
  for (const int bits : {2, 4, 8}) {
    for (const std::int64_t block : blocks) {
      for (const bool symmetric : {false, true}) {
        for (const bool half_scales : {false, true}) {
          grids.push_back({bits, block, symmetric, half_scales});
        }
      }
    }
  }
  return grids;
}

std::string Text(const Grid& grid) {
  return absl::StrCat(grid.bits, " bits, block ", grid.block,
                      grid.symmetric ? ", symmetric" : ", asymmetric",
                      grid.half_scales ? ", float16 scales" : "");
}

bool Fuses() {
#if HWY_ARCH_X86
  // Those that are compiled, too: a build may be for one set alone.
  return (hwy::SupportedTargets() & HWY_TARGETS & (HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL)) != 0;
#else
  return HWY_ARCH_ARM_A64;
#endif
}

std::vector<double> ObjectiveOfRows(const std::vector<float>& weights, const Grid& grid,
                                    const Codes& codes, std::int64_t k,
                                    const std::vector<float>& moments) {
  const std::vector<float> values = Values(grid, codes, k);
  const auto columns = static_cast<std::size_t>(k);
  std::vector<double> objectives;
  for (std::size_t row = 0; row < weights.size(); row += columns) {
    objectives.push_back(reference::Objective(absl::MakeSpan(weights).subspan(row, columns),
                                              absl::MakeSpan(values).subspan(row, columns), k,
                                              moments));
  }
  return objectives;
}

double ObjectiveOf(const std::vector<float>& weights, const Grid& grid, const Codes& codes,
                   std::int64_t k, const std::vector<float>& moments) {
  return reference::Objective(weights, Values(grid, codes, k), k, moments);
}

bool SameBits(const Codes& a, const Codes& b) {
  return a.codes == b.codes && a.zero_points == b.zero_points &&
         a.scales.size() == b.scales.size() &&
         std::memcmp(a.scales.data(), b.scales.data(), a.scales.size() * sizeof(float)) == 0;
}

}  // namespace onnxquant::methods
