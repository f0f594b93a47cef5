#include "lib/methods/lattice.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "lib/kernels/half.h"

namespace onnxquant::methods {
namespace {

float ToHalf(float value) {
  kernels::RoundToHalf({&value, 1}, {&value, 1}, kernels::OverflowMode::kInfinity);
  return value;
}

float ToBFloat16(float value) {
  std::uint16_t narrow = 0;
  kernels::FloatToBFloat16({&value, 1}, {&narrow, 1}, kernels::OverflowMode::kInfinity);
  kernels::BFloat16ToFloat({&narrow, 1}, {&value, 1});
  return value;
}

// `count` integers from least to most, both among them.
std::vector<int> Integers(std::mt19937& random, int least, int most, std::size_t count) {
  std::vector<int> integers(count);
  for (int& integer : integers) {
    integer = least + static_cast<int>(random() % static_cast<unsigned>(most - least + 1));
  }
  integers[random() % count] = least;
  integers[random() % count] = most;
  return integers;
}

std::vector<float> Times(const std::vector<int>& integers, float scale) {
  std::vector<float> values;
  for (const int integer : integers) values.push_back(static_cast<float>(integer) * scale);
  return values;
}

std::optional<BlockLattice> Find(const std::vector<float>& values,
                                 Rounding rounding = Rounding::kFloat, int most = kMostMultiple) {
  std::vector<std::int16_t> multiples(values.size());
  auto found = FindBlockLattice(values, rounding, most, absl::MakeSpan(multiples));
  if (found) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      float made = static_cast<float>(multiples[i]) * found->scale;
      if (rounding == Rounding::kHalf) made = ToHalf(made);
      if (rounding == Rounding::kBFloat16) made = ToBFloat16(made);
      EXPECT_EQ(made, values[i]);
    }
  }
  return found;
}

TEST(Lattice, IsFoundWhereAFloat16ScaleTimesAnIntegerIsExact) {
  std::mt19937 random(1);
  for (const int most : {1, 7, 15, 31, 127}) {
    for (int i = 0; i < 100; ++i) {
      const float scale = ToHalf(std::ldexp(1.0F + static_cast<float>(random() % 1024) / 1024, -9));
      const auto found = Find(Times(Integers(random, -most, most, 32), scale));
      ASSERT_TRUE(found);
      EXPECT_TRUE(found->half_scale);
      EXPECT_LE(found->most, most);
      EXPECT_GE(found->least, -most);
    }
  }
}

TEST(Lattice, IsFoundWhateverTheOrderOfItsMultiples) {
  struct Case {
    std::vector<int> integers;
    int least;
    int most;
  };
  const std::vector<Case> cases = {{{7, 3, 5, 6}, 0, 7},
                                   {{3, 7, 5, 6}, 0, 7},
                                   {{-7, 3, 7, 3}, -7, 7},
                                   {{120, -72, 48, 100}, -18, 30}};  // all are fours
  for (const float scale : {0.01171875F, 0.0117F}) {
    for (const Case& one : cases) {
      const auto found = Find(Times(one.integers, scale));
      ASSERT_TRUE(found);
      EXPECT_EQ(found->least, one.least);
      EXPECT_EQ(found->most, one.most);
    }
  }
}

TEST(Lattice, IsFoundWhereTheProductWasRoundedToFloat32) {
  std::mt19937 random(2);
  for (int i = 0; i < 100; ++i) {
    const float scale = 0.001F + static_cast<float>(random() % 1000000) * 1e-9F;
    const auto found = Find(Times(Integers(random, -128, 127, 300), scale));
    ASSERT_TRUE(found);
    EXPECT_LE(found->SymmetricBits(), 8);
  }
}

TEST(Lattice, IsFoundThroughTheRoundingOfSixteenBits) {
  std::mt19937 random(3);
  for (const bool half : {true, false}) {
    const Rounding rounding = half ? Rounding::kHalf : Rounding::kBFloat16;
    for (int i = 0; i < 100; ++i) {
      const float scale = 0.01F + static_cast<float>(random() % 1000000) * 1e-8F;
      std::vector<float> values = Times(Integers(random, -8, 7, 32), scale);
      for (float& value : values) value = half ? ToHalf(value) : ToBFloat16(value);
      const auto found = Find(values, rounding, 32);
      ASSERT_TRUE(found);
      EXPECT_LE(found->SymmetricBits(), 4);
    }
  }
}

TEST(Lattice, IsFoundWhereARoundedValueIsAPowerOfTwo) {
  // Just below 0.5 numbers lie closer: of the scales that come to 0.5 more lie above than below.
  std::mt19937 random(8);
  for (int i = 0; i < 200; ++i) {
    const float scale = 0.0717F + static_cast<float>(random() % 1000) * 1e-6F;
    std::vector<float> values = Times(Integers(random, -8, 7, 32), scale);
    for (float& value : values) value = ToBFloat16(value);
    EXPECT_TRUE(Find(values, Rounding::kBFloat16, 8)) << scale;
  }
}

TEST(Lattice, OfFineScalesHasNoMoreBitsForACommonFactor) {
  // A scale of 17 digits, as GGUF's Q6_K has them, a third of which is a float16 number.
  std::mt19937 random(9);
  const auto found = Find(Times(Integers(random, -32, 31, 16), std::ldexp(3 * 1537.0F, -20)));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->SymmetricBits(), 6);
}

TEST(Lattice, IsNotSeenInNumbersThatLieOnNone) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 0.02F);
  for (int i = 0; i < 1000; ++i) {
    std::vector<float> values(16);
    for (float& value : values) value = normal(random);
    EXPECT_FALSE(Find(values));
    for (float& value : values) value = ToHalf(value);
    EXPECT_FALSE(Find(values, Rounding::kHalf, 128));
    for (float& value : values) value = ToBFloat16(value);
    EXPECT_FALSE(Find(values, Rounding::kBFloat16, 32));
  }
}

TEST(Lattice, BitsHaveASignThatMayTurn) {
  EXPECT_EQ((BlockLattice{1, -8, 7}).SymmetricBits(), 4);
  EXPECT_EQ((BlockLattice{1, -7, 8}).SymmetricBits(), 4);
  EXPECT_EQ((BlockLattice{1, -8, 8}).SymmetricBits(), 5);
  EXPECT_EQ((BlockLattice{1, -1, 1}).SymmetricBits(), 2);
  EXPECT_EQ((BlockLattice{1, -3, 12}).SymmetricBits(), 5);
  EXPECT_EQ((BlockLattice{1, -3, 12}).ZeroPointBits(), 4);
  EXPECT_EQ((BlockLattice{1, -255, 1}).ZeroPointBits(), 9);
}

TEST(Lattice, OfZerosHasNoScaleAndOfWhatIsNotFiniteThereIsNone) {
  const auto zeros = Find(std::vector<float>(32, 0.0F));
  ASSERT_TRUE(zeros);
  EXPECT_EQ(zeros->scale, 0);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(32, 0.5F);
    values[9] = bad;
    EXPECT_FALSE(Find(values));
    EXPECT_FALSE(FindSteps(values, Rounding::kFloat, 63));
  }
  EXPECT_TRUE(Find({1e-45F, -3e-45F, 0, 1e-45F}));
  EXPECT_TRUE(Find({3e38F, -1.5e38F, 0, 1.5e38F}));
}

TEST(Lattice, StepsFromAMinimumAreFoundAsFew) {
  std::mt19937 random(5);
  for (const bool half : {true, false}) {
    for (int i = 0; i < 100; ++i) {
      const float scale = half ? ToHalf(0.01F + static_cast<float>(random() % 1000) * 1e-5F)
                               : 0.01F + static_cast<float>(random() % 1000003) * 1e-8F;
      const float least = ToHalf(-0.0713F - static_cast<float>(random() % 1000) * 1e-5F);
      std::vector<float> values = Times(Integers(random, 0, 15, 32), scale);
      for (float& value : values) value += least;
      const auto found = FindSteps(values, Rounding::kFloat, 63);
      ASSERT_TRUE(found);
      EXPECT_LE(found->steps, 15);
      EXPECT_TRUE(found->half_length || !half);
    }
  }
  std::normal_distribution<float> normal(0, 0.02F);
  for (int i = 0; i < 1000; ++i) {
    std::vector<float> values(16);
    for (float& value : values) value = normal(random);
    EXPECT_FALSE(FindSteps(values, Rounding::kFloat, 63));
  }
}

// Codes stand for the numbers they were found in, bit by bit: the sign of zero too.
void ExpectKept(const Grid& grid, const std::vector<float>& rows, std::int64_t k) {
  const auto codes = Lattice(grid, rows, k, Rounding::kFloat);
  ASSERT_TRUE(codes.ok()) << codes.status();
  const std::vector<float> values = Values(grid, *codes, k);
  EXPECT_EQ(std::memcmp(values.data(), rows.data(), rows.size() * sizeof(float)), 0);
}

TEST(Lattice, CodesStandForTheVeryNumbers) {
  std::mt19937 random(6);
  for (int i = 0; i < 50; ++i) {
    // As GGUF's Q4_0 has them: the outermost number has code -8, the scale its sign.
    std::vector<float> rows;
    for (int b = 0; b < 6; ++b) {
      const float sign = random() % 2 == 0 ? 1.0F : -1.0F;
      const float scale = sign * ToHalf(0.01F + static_cast<float>(random() % 1000) * 1e-5F);
      for (const float value : Times(Integers(random, -8, 7, 32), scale)) rows.push_back(value);
    }
    ExpectKept({.bits = 4, .block = 32, .symmetric = true}, rows, 96);
    ExpectKept({.bits = 4, .block = 32, .symmetric = true, .half_scales = true}, rows, 96);
    ExpectKept({.bits = 8, .block = 16, .symmetric = true, .half_scales = true}, rows, 96);
  }
  std::vector<float> rows = Times(Integers(random, -3, 12, 80), 0.25F);
  ExpectKept({.bits = 4, .block = 32, .symmetric = false}, rows, 40);
}

TEST(Lattice, IsRefusedWhereTheGridIsTooNarrow) {
  std::mt19937 random(7);
  const std::vector<float> rows = Times(Integers(random, -16, 15, 32), 0.5F);
  const auto codes =
      Lattice({.bits = 4, .block = 32, .symmetric = true}, rows, 32, Rounding::kFloat);
  EXPECT_EQ(codes.status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace onnxquant::methods
