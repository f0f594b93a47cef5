#include "lib/methods/gptq.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/methods/reference.h"
#include "lib/methods/search.h"
#include "tests/methods/samples.h"

namespace onnxquant::methods {
namespace {

using ::testing::Each;

// Bit for bit; within 1 % of the objective where products are rounded before they are added.
void ExpectTheReferences(const Grid& grid, std::int64_t n, std::int64_t k,
                         const GptqOptions& options) {
  SCOPED_TRACE(Text(grid) + ", K " + std::to_string(k));
  const std::vector<float> weights = SampleWeights(n, k);
  const Factors factors = FactorsOf(SampleMoments(k, 300), k);
  const Codes codes = Gptq(grid, weights, k, factors, options);
  const Codes expected = reference::Gptq(grid, weights, k, factors, options);
  if (Fuses()) {
    EXPECT_TRUE(SameBits(codes, expected));
  }
  const double objective = ObjectiveOf(weights, grid, expected, k, factors.moments);
  EXPECT_NEAR(ObjectiveOf(weights, grid, codes, k, factors.moments), objective, 0.01 * objective);
}

TEST(Gptq, IsTheReferenceBitForBit) {
  for (const Grid& grid : GridsOf({16, 32, 64})) ExpectTheReferences(grid, 5, 128, {6, 2});
}

TEST(Gptq, IsTheReferenceWhereTheLastBlockIsShortAndWhereTheOnlyOneIs) {
  for (const std::int64_t k : {1, 3, 31, 33, 130, 270}) {
    for (const std::int64_t block : {16, 32, 256}) {
      for (const bool symmetric : {false, true}) {
        ExpectTheReferences({4, block, symmetric, true}, 3, k, {6, 2});
      }
    }
  }
}

TEST(Gptq, IsTheReferenceForAnyNumberOfCandidatesAndRefinements) {
  for (const int candidates : {-1, 1, 2, 17, 30, 99}) {
    for (const int refinements : {0, 1, 3}) {
      for (const bool symmetric : {false, true}) {
        ExpectTheReferences({4, 32, symmetric, false}, 66, 70, {candidates, refinements});
      }
    }
  }
}

TEST(Gptq, IsFarAheadOfNearestAndOfSearchOnCorrelatedInputs) {
  constexpr std::int64_t kSize = 160;
  const std::vector<float> weights = SampleWeights(20, kSize);
  const Factors factors = FactorsOf(SampleMoments(kSize, 400), kSize);
  for (const Grid& grid : GridsOf({16, 32, 64, 128, 256})) {
    const auto objective = [&](const Codes& codes) {
      return ObjectiveOf(weights, grid, codes, kSize, factors.moments);
    };
    const double nearest = objective(reference::Nearest(grid, weights, kSize));
    const double searched = objective(Search(grid, weights, kSize, {}));
    const double plain = objective(Gptq(grid, weights, kSize, factors, {6, 0}));
    const double refined = objective(Gptq(grid, weights, kSize, factors, {6, 2}));
    EXPECT_LT(plain, 0.6 * nearest) << Text(grid);
    EXPECT_LT(plain, 0.6 * searched) << Text(grid);
    EXPECT_LT(refined, plain) << Text(grid);
  }
}

TEST(Gptq, GainsByFollowingMoreCandidates) {
  const std::vector<float> weights = SampleWeights(64, 160);
  const Factors factors = FactorsOf(SampleMoments(160, 400), 160);
  for (const bool symmetric : {false, true}) {
    const Grid grid{4, 32, symmetric, true};
    const Codes one = Gptq(grid, weights, 160, factors, {1, 0});
    const Codes six = Gptq(grid, weights, 160, factors, {6, 0});
    EXPECT_LT(ObjectiveOf(weights, grid, six, 160, factors.moments),
              ObjectiveOf(weights, grid, one, 160, factors.moments));
  }
}

TEST(Gptq, RoundsScalesToFloat16WhereItIsAskedTo) {
  const Factors factors = FactorsOf(SampleMoments(96, 300), 96);
  std::vector<float> weights = SampleWeights(10, 96);
  for (std::size_t i = 0; i < 96; ++i) weights[i] *= 1e-6F;  // scales that float16 rounds to 0
  for (const Grid& grid : GridsOf({32})) {
    if (!grid.half_scales) continue;
    const Codes codes = Gptq(grid, weights, 96, factors, {});
    for (const float scale : codes.scales) {
      EXPECT_EQ(scale, reference::RoundScale(grid, scale)) << Text(grid);
      EXPECT_GE(std::abs(scale), std::ldexp(1.0F, -24)) << Text(grid);
    }
  }
}

TEST(Gptq, KeepsZeroRowsZero) {
  const Factors factors = FactorsOf(SampleMoments(100, 300), 100);
  for (const Grid& grid : GridsOf({16, 32})) {
    std::vector<float> weights = SampleWeights(3, 100);
    std::fill_n(weights.begin() + 100, 100, 0.0F);
    const std::vector<float> values = Values(grid, Gptq(grid, weights, 100, factors, {}), 100);
    EXPECT_THAT(std::vector<float>(values.begin() + 100, values.begin() + 200), Each(0.0F))
        << Text(grid);
  }
}

TEST(Gptq, MakesUpInZeroBlocksForWhatOthersLose) {
  const Factors factors = FactorsOf(SampleMoments(96, 300), 96);
  for (const Grid& grid : GridsOf({32})) {
    std::vector<float> weights = SampleWeights(8, 96);
    for (std::size_t row = 0; row < 8; ++row) std::fill_n(&weights[row * 96 + 32], 32, 0.0F);
    const Codes codes = Gptq(grid, weights, 96, factors, {});
    for (const float scale : codes.scales) ASSERT_TRUE(std::isfinite(scale)) << Text(grid);
    EXPECT_LT(
        ObjectiveOf(weights, grid, codes, 96, factors.moments),
        ObjectiveOf(weights, grid, reference::Nearest(grid, weights, 96), 96, factors.moments))
        << Text(grid);
  }
}

TEST(Gptq, RoundsTheWeightsOfDeadInputsToTheirNearestCodes) {
  constexpr std::size_t kSize = 64;
  constexpr std::size_t kDead = 37;
  std::vector<float> moments = SampleMoments(kSize, 300);
  for (std::size_t i = 0; i < kSize; ++i) {
    moments[i * kSize + kDead] = moments[kDead * kSize + i] = 0;
  }
  const Factors factors = FactorsOf(moments, kSize);
  const std::vector<float> weights = SampleWeights(50, kSize);
  for (const Grid& grid : GridsOf({32})) {
    for (const int refinements : {0, 2}) {
      const Codes codes = Gptq(grid, weights, kSize, factors, {6, refinements});
      for (std::size_t row = 0; row < 50; ++row) {
        const reference::ScaleAndZero to{codes.scales[row * 2 + 1],
                                         static_cast<float>(codes.zero_points[row * 2 + 1])};
        EXPECT_EQ(static_cast<float>(codes.codes[row * kSize + kDead]),
                  reference::CodeOf(grid, weights[row * kSize + kDead], to) + to.zero)
            << Text(grid) << " row " << row;
      }
    }
  }
}

TEST(Gptq, AlmostKeepsTheOutputOfTheOnlyToken) {
  const std::vector<float> moments = SampleMoments(128, 1);
  const Factors factors = FactorsOf(moments, 128);
  const std::vector<float> weights = SampleWeights(10, 128);
  for (const Grid& grid : GridsOf({32})) {
    EXPECT_LT(
        ObjectiveOf(weights, grid, Gptq(grid, weights, 128, factors, {}), 128, moments),
        0.05 * ObjectiveOf(weights, grid, reference::Nearest(grid, weights, 128), 128, moments))
        << Text(grid);
  }
}

TEST(Gptq, CountsWeightsThatAreNotFiniteAsZero) {
  const Factors factors = FactorsOf(SampleMoments(40, 100), 40);
  for (const Grid& grid : GridsOf({16})) {
    std::vector<float> weights = SampleWeights(2, 40);
    weights[21] = 0;
    const Codes expected = Gptq(grid, weights, 40, factors, {});
    for (const float wrong :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      weights[21] = wrong;
      EXPECT_TRUE(SameBits(Gptq(grid, weights, 40, factors, {}), expected)) << Text(grid);
    }
  }
}

TEST(Gptq, StaysWithinItsCodesForWeightsTooLargeToBeSquared) {
  const Factors factors = FactorsOf(SampleMoments(40, 100), 40);
  for (const Grid& grid : GridsOf({16})) {
    for (const float size : {1e-38F, 1e25F, 1e38F}) {
      std::vector<float> weights = SampleWeights(2, 40);
      for (std::size_t i = 0; i < 40; ++i) weights[i] *= size;
      const Codes codes = Gptq(grid, weights, 40, factors, {});
      EXPECT_THAT(codes.codes, Each(::testing::Le(grid.HighestCode()))) << Text(grid);
      // The other row is none the worse for it.
      const Codes other = Gptq(grid, absl::MakeSpan(weights).subspan(40), 40, factors, {});
      EXPECT_TRUE(std::equal(other.codes.begin(), other.codes.end(), codes.codes.begin() + 40));
    }
  }
}

TEST(Gptq, SaysWhatMemoryItTakes) {
  // K 40 in blocks of 32 and 8, in groups of 64 rows.
  constexpr std::size_t kGroup = (40 + 40 + 2 + 2) * 64;       // weights, codes, scales, zeros
  constexpr std::size_t kBlock = 32 * (64 + 3 * 16 + 32 + 2);  // a block and its part of H
  constexpr std::size_t kSystem = 2 * (64 + 16) + 3 * 64;      // the equations of two scales
  constexpr std::size_t kScratch = (kGroup + 40 * 64 + kBlock + kSystem) * sizeof(float);
  const Grid grid{4, 32, false, false};
  EXPECT_EQ(GptqScratchBytes(grid, 0, 40), kScratch);
  EXPECT_EQ(GptqScratchBytes(grid, 7, 40), kScratch + 7 * (40 + 2 * 5));
}

}  // namespace
}  // namespace onnxquant::methods
