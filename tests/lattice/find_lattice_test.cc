#include "lib/lattice/find_lattice.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"
#include "lib/kernels/half.h"

namespace onnxquant {
namespace {

using Kind = Lattice::Kind;
using methods::Rounding;

float ToHalf(float value) {
  kernels::RoundToHalf({&value, 1}, {&value, 1}, kernels::OverflowMode::kInfinity);
  return value;
}

// How a weight is made of codes.
struct Recipe {
  int least = -8;
  int most = 7;
  std::size_t block = 32;
  bool half_scales = true;
  bool minimum = false;  // a minimum of its own, in float16
};

constexpr std::size_t kRows = 24;
constexpr std::size_t kColumns = 256;

// [kRows, kColumns], blocks along the rows.
std::vector<float> Made(const Recipe& recipe, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<float> values;
  while (values.size() < kRows * kColumns) {
    float scale = 0.01F + static_cast<float>(random() % 1000003) * 1e-8F;
    if (recipe.half_scales) scale = ToHalf(scale);
    if (random() % 2 == 0 && !recipe.minimum) scale = -scale;
    const float least = ToHalf(-0.03F - static_cast<float>(random() % 1009) * 1e-4F);
    const auto range = static_cast<unsigned>(recipe.most - recipe.least + 1);
    for (std::size_t i = 0; i < recipe.block; ++i) {
      const int code = i == 0   ? recipe.least
                       : i == 1 ? recipe.most
                                : recipe.least + static_cast<int>(random() % range);
      values.push_back(static_cast<float>(code) * scale + (recipe.minimum ? least : 0.0F));
    }
  }
  return values;
}

std::vector<float> Turned(const std::vector<float>& values) {
  std::vector<float> turned(values.size());
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      turned[column * kRows + row] = values[row * kColumns + column];
    }
  }
  return turned;
}

std::optional<Lattice> Find(const std::vector<float>& values, int threads = 1) {
  return FindLattice(AsBytes(values), ElementType::kFloat, {kRows, kColumns}, -1, threads);
}

TEST(FindLattice, KnowsWhatGgufMakes) {
  const struct {
    Recipe recipe;
    const char* name;
  } cases[] = {
      {{-8, 7, 32}, "Q4_0"},
      {{-16, 15, 32}, "Q5_0"},
      {{-127, 127, 32}, "Q8_0"},
      {{0, 15, 32, true, true}, "Q4_1"},
      {{0, 31, 32, true, true}, "Q5_1"},
      {{-32, 31, 16, false}, "Q6_K"},
      {{0, 15, 32, false, true}, "Q4_K"},
  };
  for (const auto& one : cases) {
    const auto found = Find(Made(one.recipe));
    ASSERT_TRUE(found) << one.name;
    EXPECT_EQ(LikelySource(*found), one.name) << ToString(*found);
    EXPECT_EQ(found->axis, 1);
    EXPECT_EQ(found->exact, found->blocks);
    EXPECT_EQ(found->blocks, kRows * kColumns / one.recipe.block);
  }
}

TEST(FindLattice, SeesBlocksAlongEitherAxis) {
  const std::vector<float> turned = Turned(Made({}));
  const auto found = FindLattice(AsBytes(turned), ElementType::kFloat, {kColumns, kRows});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->axis, 0);
  EXPECT_EQ(found->block, 32);
  EXPECT_EQ(found->bits, 4);
}

TEST(FindLattice, SeesScalesOfChannelsAndOneScale) {
  const auto channels = Find(Made({-127, 127, kColumns, false}));
  ASSERT_TRUE(channels);
  EXPECT_EQ(channels->block, 0);
  EXPECT_EQ(channels->bits, 8);
  EXPECT_FALSE(channels->one_scale);
  std::vector<float> ternary(kRows * kColumns);
  std::mt19937 random(3);
  for (float& value : ternary) value = 0.037F * (static_cast<float>(random() % 3) - 1);
  const auto one = Find(ternary);
  ASSERT_TRUE(one);
  EXPECT_TRUE(one->one_scale);
  EXPECT_EQ(one->bits, 2);
}

TEST(FindLattice, SeesZeroPointsWhereTheMinimumIsAMultipleOfTheScale) {
  const auto found = Find(Made({-3, 12, 32}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind, Kind::kZeroPoint);
  EXPECT_EQ(found->bits, 4);
  EXPECT_EQ(GridThatHolds(*found, 8, 32), (BlockGrid{4, 32, false}));
}

TEST(FindLattice, SeesThroughRoundingToSixteenBits) {
  std::vector<float> values = Made({-8, 7, 32, false});
  std::vector<std::uint16_t> narrow(values.size());
  kernels::FloatToBFloat16(values, absl::MakeSpan(narrow), kernels::OverflowMode::kInfinity);
  const auto stored = FindLattice(AsBytes(narrow), ElementType::kBFloat16, {kRows, kColumns});
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->rounding, Rounding::kBFloat16);
  EXPECT_EQ(stored->bits, 4);
  // The same numbers in float32.
  kernels::BFloat16ToFloat(narrow, absl::MakeSpan(values));
  const auto widened = Find(values);
  ASSERT_TRUE(widened);
  EXPECT_EQ(widened->rounding, Rounding::kBFloat16);
  EXPECT_EQ(widened->symmetric_bits, 4);
}

TEST(FindLattice, CountsTheBlocksThatAreExact) {
  std::vector<float> values = Made({});
  values[40] = std::nextafter(values[40] + 0.001F, 1.0F);
  const auto found = Find(values);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->exact + 1, found->blocks);
  EXPECT_FALSE(GridThatHolds(*found, 8, 32));
}

TEST(FindLattice, FindsNoneInTrainedNumbers) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(kRows * kColumns);
  for (float& value : values) value = normal(random);
  EXPECT_FALSE(Find(values));
  std::vector<std::uint16_t> narrow(values.size());
  kernels::FloatToBFloat16(values, absl::MakeSpan(narrow), kernels::OverflowMode::kInfinity);
  EXPECT_FALSE(FindLattice(AsBytes(narrow), ElementType::kBFloat16, {kRows, kColumns}));
  kernels::FloatToHalf(values, absl::MakeSpan(narrow), kernels::OverflowMode::kInfinity);
  EXPECT_FALSE(FindLattice(AsBytes(narrow), ElementType::kFloat16, {kRows, kColumns}));
  values[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(Find(values));
}

TEST(FindLattice, FindsNoneInZerosAndFewNumbers) {
  EXPECT_FALSE(Find(std::vector<float>(kRows * kColumns)));
  const std::vector<float> few(16, 0.5F);
  EXPECT_FALSE(FindLattice(AsBytes(few), ElementType::kFloat, {4, 4}));
}

TEST(FindLattice, IsTheSameForEveryNumberOfThreads) {
  const std::vector<float> values = Made({-16, 15, 32});
  const auto one = Find(values, 1);
  EXPECT_EQ(one, Find(values, 2));
  EXPECT_EQ(one, Find(values, 7));
}

}  // namespace
}  // namespace onnxquant
