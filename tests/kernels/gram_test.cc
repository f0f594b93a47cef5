#include "lib/kernels/gram.h"

#include <hwy/targets.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant::kernels {
namespace {

std::vector<float> Panel(std::size_t rows, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> panel(rows * kGramPanel);
  for (float& value : panel) value = normal(random);
  return panel;
}

TEST(Gram, EqualsThePlainSumsWhereTheMachineFuses) {
  for (const std::size_t rows : {0U, 1U, 7U, 300U}) {
    const std::vector<float> left = Panel(rows, 1);
    const std::vector<float> right = Panel(rows, 2);
    for (const std::size_t height : {1U, 3U, 4U, 48U}) {
      for (const std::size_t width : {1U, 13U, 24U, 48U}) {
        std::vector<float> sums(height * 50, 0.5F);
        std::vector<float> expected = sums;
        AddGram(left, right, {sums.data(), 50, height, width});
        AddGramPlainly(left, right, {expected.data(), 50, height, width});
        for (std::size_t i = 0; i < sums.size(); ++i) {
          // Without fused additions each product is rounded, too.
          ASSERT_NEAR(sums[i], expected[i], 1e-7 * static_cast<double>(rows + 1)) << i;
        }
      }
    }
  }
}

TEST(Gram, IsTheSameBitsWithVectorsOfEveryLengthThatFuse) {
  const std::vector<float> left = Panel(200, 5);
  const std::vector<float> right = Panel(200, 6);
  std::vector<float> expected(kGramPanel * kGramPanel);
  AddGramPlainly(left, right, {expected.data(), kGramPanel, kGramPanel, kGramPanel});
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    if ((target & (HWY_SCALAR | HWY_EMU128 | HWY_SSSE3 | HWY_SSE4)) != 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    std::vector<float> sums(kGramPanel * kGramPanel);
    AddGram(left, right, {sums.data(), kGramPanel, kGramPanel, kGramPanel});
    EXPECT_EQ(sums, expected) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(Gram, LeavesWhatLiesBesideTheTile) {
  const std::vector<float> panel = Panel(20, 3);
  std::vector<float> sums(50 * 50, 7);
  AddGram(panel, panel, {sums.data(), 50, 5, 6});
  for (std::size_t i = 0; i < 50; ++i) {
    for (std::size_t j = 0; j < 50; ++j) {
      ASSERT_EQ(sums[i * 50 + j] == 7, i >= 5 || j >= 6) << i << " " << j;
    }
  }
}

TEST(Gram, IsAsNearToSumsInDoubleAsItsRowsWarrant) {
  constexpr std::size_t kRows = 512;
  const std::vector<float> panel = Panel(kRows, 4);
  std::vector<float> sums(kGramPanel * kGramPanel);
  AddGram(panel, panel, {sums.data(), kGramPanel, kGramPanel, kGramPanel});
  for (std::size_t i = 0; i < kGramPanel; ++i) {
    for (std::size_t j = 0; j < kGramPanel; ++j) {
      double exact = 0;
      double magnitudes = 0;
      for (std::size_t t = 0; t < kRows; ++t) {
        const double product = static_cast<double>(panel[t * kGramPanel + i]) *
                               static_cast<double>(panel[t * kGramPanel + j]);
        exact += product;
        magnitudes += std::fabs(product);
      }
      ASSERT_NEAR(sums[i * kGramPanel + j], exact, kRows * 0x1.0p-24 * magnitudes);
    }
  }
}

}  // namespace
}  // namespace onnxquant::kernels
