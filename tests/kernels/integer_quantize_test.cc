#include "lib/kernels/integer_quantize.h"

#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/reference.h"

namespace onnxquant::kernels {
namespace {

using ::testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<float> Values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(random);
    if (random() % 8 == 0) value = std::round(value * 4) / 8;  // ties of the scale 1/4
    if (random() % 16 == 0) value = random() % 2 == 0 ? 0.0F : -0.0F;
  }
  return values;
}

void ExpectEqual(const ValueRange& range, const ValueRange& expected) {
  EXPECT_TRUE(range.lo == expected.lo || (std::isnan(range.lo) && std::isnan(expected.lo)))
      << range.lo << " " << expected.lo;
  EXPECT_EQ(range.hi, expected.hi);
}

TEST(IntegerQuantize, FindsTheRangeOfSpansOfEverySize) {
  for (std::size_t size = 0; size < 150; ++size) {
    std::vector<float> values = Values(size, static_cast<unsigned>(size));
    for (std::size_t nan = 0; nan <= size; nan += 13) {
      ValueRange range;
      ValueRange expected;
      ExtendRange(values, range);
      reference::ExtendRange(values, expected);
      ExpectEqual(range, expected);
      if (nan < size) values[nan] = kNaN;
    }
  }
}

TEST(IntegerQuantize, KeepsANaNOfAnEarlierTile) {
  ValueRange range;
  ExtendRange({kNaN}, range);
  ExtendRange({-1.0F, 2.0F}, range);
  EXPECT_TRUE(std::isnan(range.lo));
  EXPECT_EQ(range.hi, 2);
  ValueRange other{-3, 1};
  other.Merge(range);
  EXPECT_TRUE(std::isnan(other.lo));
}

TEST(IntegerQuantize, FindsTheRangesOfColumnsOverTiles) {
  for (const std::size_t columns : {1UL, 3UL, 8UL, 16UL, 31UL, 67UL}) {
    std::vector<float> rows = Values(columns * 9, static_cast<unsigned>(columns));
    rows[columns * 4] = kNaN;
    std::vector<ValueRange> ranges(columns);
    ExtendColumnRanges(absl::MakeConstSpan(rows).first(columns * 5), absl::MakeSpan(ranges));
    ExtendColumnRanges(absl::MakeConstSpan(rows).subspan(columns * 5), absl::MakeSpan(ranges));
    for (std::size_t column = 0; column < columns; ++column) {
      ValueRange expected;
      for (std::size_t row = 0; row < 9; ++row) {
        reference::ExtendRange({rows[row * columns + column]}, expected);
      }
      ExpectEqual(ranges[column], expected);
    }
  }
}

using Case = std::tuple<IntegerType, int /*zero point*/>;
class IntegerQuantizeTest : public ::testing::TestWithParam<Case> {};

TEST_P(IntegerQuantizeTest, EqualsTheReferenceForSpansOfEverySize) {
  const auto [type, zero_point] = GetParam();
  const IntegerScale scale{1.0F / 64, zero_point};
  for (std::size_t size = 0; size < 150; ++size) {
    std::vector<float> values = Values(size, static_cast<unsigned>(size));
    if (size > 9) {
      values[1] = kNaN;
      values[3] = kInfinity;
      values[5] = -kInfinity;
      values[7] = 3e38F;
    }
    std::vector<std::uint8_t> codes(size);
    std::vector<std::uint8_t> expected(size);
    QuantizeIntegers(type, scale, values, absl::MakeSpan(codes));
    reference::QuantizeIntegers(type, scale, values, absl::MakeSpan(expected));
    EXPECT_EQ(codes, expected);
  }
}

TEST_P(IntegerQuantizeTest, EqualsTheReferenceForColumns) {
  const auto [type, zero_point] = GetParam();
  for (const std::size_t columns : {1UL, 3UL, 8UL, 16UL, 31UL, 67UL}) {
    const std::vector<float> rows = Values(columns * 7, static_cast<unsigned>(columns));
    std::vector<IntegerScale> scales(columns);
    for (std::size_t i = 0; i < columns; ++i) {
      scales[i] = {0.01F * static_cast<float>(i + 1), zero_point + static_cast<int>(i % 3)};
    }
    std::vector<std::uint8_t> codes(rows.size());
    QuantizeIntegerColumns(type, scales, rows, absl::MakeSpan(codes));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::uint8_t expected = 0;
      reference::QuantizeIntegers(type, scales[i % columns], {rows[i]}, {&expected, 1});
      ASSERT_EQ(codes[i], expected) << columns << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, IntegerQuantizeTest,
                         ::testing::Values(Case{IntegerType::kUint8, 0},
                                           Case{IntegerType::kUint8, 128},
                                           Case{IntegerType::kInt8, 0},
                                           Case{IntegerType::kInt8, -20}));

TEST(IntegerQuantize, RoundsHalvesToEven) {
  std::vector<std::uint8_t> codes(4);
  QuantizeIntegers(IntegerType::kInt8, {1, 0}, {0.5F, 1.5F, -0.5F, -1.5F}, absl::MakeSpan(codes));
  EXPECT_THAT(codes, ElementsAre(0, 2, 0, 0xFE));
}

TEST(IntegerQuantize, DerivesTheScaleThatTheFormatAsksFor) {
  const ValueRange range{-1, 3};
  const auto scale = [&](IntegerType type, bool symmetric, bool reduce_range) {
    return *IntegerScaleOf({type, symmetric, reduce_range}, range, ScaleType::kFloat32);
  };
  EXPECT_EQ(scale(IntegerType::kUint8, false, false).scale, static_cast<float>(4.0 / 255));
  EXPECT_EQ(scale(IntegerType::kUint8, false, false).zero_point, 64);  // 63.75
  EXPECT_EQ(scale(IntegerType::kUint8, true, false).scale, static_cast<float>(6.0 / 255));
  EXPECT_EQ(scale(IntegerType::kUint8, true, false).zero_point, 128);  // 127.5
  EXPECT_EQ(scale(IntegerType::kInt8, true, false).scale, static_cast<float>(6.0 / 254));
  EXPECT_EQ(scale(IntegerType::kInt8, true, true).scale, static_cast<float>(6.0 / 128));
  EXPECT_EQ(scale(IntegerType::kInt8, true, true).zero_point, 0);
  EXPECT_EQ(scale(IntegerType::kInt8, false, false).zero_point, -64);  // -64.25
}

TEST(IntegerQuantize, TakesScaleOneForNothingAndForZeros) {
  for (const ValueRange& range : {ValueRange{}, ValueRange{0, 0}, ValueRange{-0.0F, 0}}) {
    const auto scale =
        IntegerScaleOf({IntegerType::kUint8, true, false}, range, ScaleType::kFloat32);
    ASSERT_TRUE(scale.has_value());
    EXPECT_EQ(scale->scale, 1);
    EXPECT_EQ(scale->zero_point, 0);
  }
}

TEST(IntegerQuantize, HasNoScaleForARangeThatIsNotFinite) {
  const IntegerFormat format;
  EXPECT_EQ(IntegerScaleOf(format, {kNaN, 1}, ScaleType::kFloat32), std::nullopt);
  EXPECT_EQ(IntegerScaleOf(format, {0, kInfinity}, ScaleType::kFloat32), std::nullopt);
  EXPECT_EQ(IntegerScaleOf(format, {-3e38F, 3e38F}, ScaleType::kFloat32), std::nullopt);
  EXPECT_EQ(IntegerScaleOf(format, {-40000, 40000}, ScaleType::kFloat16), std::nullopt);
  EXPECT_NE(IntegerScaleOf(format, {-40000, 40000}, ScaleType::kFloat32), std::nullopt);
}

}  // namespace
}  // namespace onnxquant::kernels
