#include "lib/kernels/float8.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/reference.h"

namespace onnxquant::kernels {
namespace {

using ::testing::ElementsAre;

class Float8Test : public ::testing::TestWithParam<Float8Type> {};

TEST_P(Float8Test, WidensEveryCodeExactly) {
  std::vector<std::uint8_t> codes(256 + 7);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  std::vector<float> values(codes.size());
  Float8ToFloat(GetParam(), codes, absl::MakeSpan(values));
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float expected = reference::Float8ToFloat(GetParam(), codes[i]);
    EXPECT_EQ(std::isnan(values[i]), std::isnan(expected)) << i;
    EXPECT_EQ(std::signbit(values[i]), codes[i] >= 0x80) << i;
    EXPECT_TRUE(std::isnan(expected) || values[i] == expected) << i;
  }
}

// Every number, the middles between neighbours, the floats next to each, and any bits.
TEST_P(Float8Test, EqualsTheReferenceWhereRoundingTurns) {
  std::vector<float> values;
  for (int code = 0; code < 255; ++code) {
    const float here = reference::Float8ToFloat(GetParam(), static_cast<std::uint8_t>(code));
    const float next = reference::Float8ToFloat(GetParam(), static_cast<std::uint8_t>(code + 1));
    for (const float value : {here, here + (next - here) / 2}) {
      for (const float towards : {-INFINITY, value, INFINITY}) {
        values.push_back(std::nextafter(value, towards));
      }
    }
  }
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  }
  for (const float edge : {464.0F, 464.1F, 480.0F, 61440.0F, 61439.0F, 65536.0F, 1e30F}) {
    values.push_back(edge);
    values.push_back(-edge);
  }
  std::vector<std::uint8_t> codes(values.size());
  std::vector<std::uint8_t> expected(values.size());
  const NarrowStats stats = FloatToFloat8(GetParam(), values, absl::MakeSpan(codes));
  const NarrowStats expected_stats =
      reference::FloatToFloat8(GetParam(), values, absl::MakeSpan(expected));
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(codes[i], expected[i]) << values[i];
  EXPECT_EQ(stats.overflowed, expected_stats.overflowed);
  EXPECT_EQ(stats.underflowed, expected_stats.underflowed);
  EXPECT_EQ(stats.nonfinite, expected_stats.nonfinite);
  EXPECT_EQ(stats.peak, expected_stats.peak);
}

INSTANTIATE_TEST_SUITE_P(Types, Float8Test,
                         ::testing::Values(Float8Type::kE4M3FN, Float8Type::kE5M2));

TEST(Float8, SaturatesAndKeepsNaN) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {449, -1e30F, infinity, -infinity, std::nanf(""), -0.0F};
  std::vector<std::uint8_t> codes(values.size());
  const NarrowStats stats = FloatToFloat8(Float8Type::kE4M3FN, values, absl::MakeSpan(codes));
  EXPECT_THAT(codes, ElementsAre(0x7E, 0xFE, 0x7E, 0xFE, 0x7F, 0x80));
  EXPECT_EQ(stats.overflowed, 1U);
  EXPECT_EQ(stats.nonfinite, 3U);
  FloatToFloat8(Float8Type::kE5M2, values, absl::MakeSpan(codes));
  EXPECT_THAT(codes, ElementsAre(0x5F, 0xFB, 0x7B, 0xFB, 0x7E, 0x80));
}

}  // namespace
}  // namespace onnxquant::kernels
