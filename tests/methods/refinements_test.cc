#include <vector>

#include "gtest/gtest.h"
#include "lib/methods/gptq.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

// Values are rounded to float32, and with 8 bits they are some hundred times what is left of them.
constexpr double kRounding = 1 + 1e-5;

TEST(Refinements, NeverRaiseTheObjectiveOfAnyRow) {
  constexpr std::int64_t kSize = 150;
  const std::vector<float> weights = SampleWeights(40, kSize);
  const Factors factors = FactorsOf(SampleMoments(kSize, 400), kSize);
  for (const Grid& grid : GridsOf({16, 32, 128})) {
    std::vector<double> before;
    for (const int refinements : {0, 1, 2, 3, 6}) {
      const Codes codes = Gptq(grid, weights, kSize, factors, {6, refinements});
      const std::vector<double> now = ObjectiveOfRows(weights, grid, codes, kSize, factors.moments);
      for (std::size_t row = 0; row < before.size(); ++row) {
        EXPECT_LE(now[row], before[row] * kRounding)
            << Text(grid) << " row " << row << ", " << refinements << " refinements";
      }
      before = now;
    }
  }
}

TEST(Refinements, NeverRaiseItWhereScalesBarelyFitFloat16) {
  constexpr std::int64_t kSize = 96;
  std::vector<float> weights = SampleWeights(40, kSize);
  // Neighbouring scales are a tenth apart, and rounding takes much of what fitting gains.
  for (float& weight : weights) weight *= 1e-4F;
  const Factors factors = FactorsOf(SampleMoments(kSize, 400), kSize);
  for (const Grid& grid : GridsOf({32})) {
    std::vector<double> before;
    for (const int refinements : {0, 1, 2, 3}) {
      const std::vector<double> now =
          ObjectiveOfRows(weights, grid, Gptq(grid, weights, kSize, factors, {6, refinements}),
                          kSize, factors.moments);
      for (std::size_t row = 0; row < before.size(); ++row) {
        EXPECT_LE(now[row], before[row] * kRounding) << Text(grid) << " row " << row;
      }
      before = now;
    }
  }
}

TEST(Refinements, GainNoticeably) {
  constexpr std::int64_t kSize = 256;
  const std::vector<float> weights = SampleWeights(64, kSize);
  const Factors factors = FactorsOf(SampleMoments(kSize, 600), kSize);
  for (const bool symmetric : {false, true}) {
    const Grid grid{4, 32, symmetric, true};
    const Codes plain = Gptq(grid, weights, kSize, factors, {6, 0});
    const Codes refined = Gptq(grid, weights, kSize, factors, {6, 2});
    EXPECT_LT(ObjectiveOf(weights, grid, refined, kSize, factors.moments),
              0.95 * ObjectiveOf(weights, grid, plain, kSize, factors.moments));
    // Zero points are not reconsidered.
    EXPECT_EQ(refined.zero_points, plain.zero_points);
  }
}

TEST(Refinements, LeaveNoCodeThatIsBetterOneStepAway) {
  constexpr std::size_t kSize = 48;
  const std::vector<float> weights = SampleWeights(6, kSize);
  const Factors factors = FactorsOf(SampleMoments(kSize, 300), kSize);
  const Grid grid{4, 16, false, false};
  Codes codes = Gptq(grid, weights, kSize, factors, {6, 60});
  const std::vector<double> before = ObjectiveOfRows(weights, grid, codes, kSize, factors.moments);
  for (std::size_t i = 0; i < codes.codes.size(); ++i) {
    const std::uint8_t found = codes.codes[i];
    for (const int step : {-1, 1}) {
      if (found + step < 0 || found + step > 15) continue;
      codes.codes[i] = static_cast<std::uint8_t>(found + step);
      EXPECT_GE(ObjectiveOfRows(weights, grid, codes, kSize, factors.moments)[i / kSize],
                before[i / kSize] / kRounding)
          << i;
    }
    codes.codes[i] = found;
  }
}

}  // namespace
}  // namespace onnxquant::methods
