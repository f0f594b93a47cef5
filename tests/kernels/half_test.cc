#include "lib/kernels/half.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "Eigen/Core"
#include "gtest/gtest.h"
#include "lib/kernels/reference.h"

namespace onnxquant::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::uint16_t> AllHalves() {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  return halves;
}

// Every half, and the floats just below, at and just above the midpoint to its neighbour.
std::vector<float> RoundingEdges() {
  std::vector<float> edges;
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const float low = reference::HalfToFloat(static_cast<std::uint16_t>(bits));
    const float high =
        bits == 0x7bff ? 65536.0F : reference::HalfToFloat(static_cast<std::uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;
    for (const float value :
         {low, std::nextafter(middle, 0.0F), middle, std::nextafter(middle, kInfinity)}) {
      edges.push_back(value);
      edges.push_back(-value);
    }
  }
  return edges;
}

TEST(Half, WidensEveryHalfExactlyAsEigenDoes) {
  const std::vector<std::uint16_t> halves = AllHalves();
  std::vector<float> floats(halves.size());
  HalfToFloat(halves, absl::MakeSpan(floats));
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const auto expected = static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(halves[i]));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(floats[i])) << i;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(floats[i]), std::bit_cast<std::uint32_t>(expected))
          << i;
    }
  }
}

TEST(Half, RoundsEveryEdgeToNearestEvenAsEigenAndTheReferenceDo) {
  const std::vector<float> edges = RoundingEdges();
  std::vector<std::uint16_t> halves(edges.size());
  FloatToHalf(edges, absl::MakeSpan(halves), OverflowMode::kInfinity);
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const auto expected =
        Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::half>(edges[i]));
    ASSERT_EQ(halves[i], expected) << edges[i];
    ASSERT_EQ(halves[i], reference::FloatToHalf(edges[i])) << edges[i];
  }
}

TEST(Half, NarrowsEveryNanAsTheReferenceDoes) {
  std::vector<float> nans;
  for (const std::uint32_t sign : {0U, 0x80000000U}) {
    for (std::uint32_t bit = 1; bit < 1U << 23U; bit <<= 1U) {
      nans.push_back(std::bit_cast<float>(sign | 0x7f800000U | bit));
      nans.push_back(std::bit_cast<float>(sign | 0x7fc00000U | bit));
    }
  }
  std::vector<std::uint16_t> halves(nans.size());
  std::vector<std::uint16_t> brains(nans.size());
  FloatToHalf(nans, absl::MakeSpan(halves), OverflowMode::kClamp);
  FloatToBFloat16(nans, absl::MakeSpan(brains), OverflowMode::kClamp);
  for (std::size_t i = 0; i < nans.size(); ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(nans[i]);
    // Sign and top bits, made quiet.
    EXPECT_EQ(halves[i], (bits >> 16U & 0x8000U) | 0x7e00U | (bits >> 13U & 0x3ffU)) << bits;
    EXPECT_EQ(halves[i], reference::FloatToHalf(nans[i])) << bits;
    EXPECT_EQ(brains[i], reference::FloatToBFloat16(nans[i])) << bits;
  }
}

TEST(Half, CountsWhatItLoses) {
  const std::vector<float> values = {
      1.0F,  65519.9F, 65520.0F,  -1e9F,
      1e-9F, 0.0F,     kInfinity, std::numeric_limits<float>::quiet_NaN()};
  std::vector<std::uint16_t> halves(values.size());
  const NarrowStats stats = FloatToHalf(values, absl::MakeSpan(halves), OverflowMode::kInfinity);
  EXPECT_EQ(stats.overflowed, 2U);
  EXPECT_EQ(stats.underflowed, 1U);
  EXPECT_EQ(stats.nonfinite, 2U);
  EXPECT_EQ(stats.peak, 1e9F);
  EXPECT_EQ(halves[1], 0x7bff);
  EXPECT_EQ(halves[2], 0x7c00);
  EXPECT_EQ(halves[3], 0xfc00);
}

TEST(Half, ClampsFiniteValuesOnly) {
  const std::vector<float> values = {1e9F, -1e9F, kInfinity, -kInfinity};
  std::vector<std::uint16_t> halves(values.size());
  EXPECT_EQ(FloatToHalf(values, absl::MakeSpan(halves), OverflowMode::kClamp).overflowed, 2U);
  EXPECT_EQ(halves, (std::vector<std::uint16_t>{0x7bff, 0xfbff, 0x7c00, 0xfc00}));
}

TEST(Half, GivesTheSameForEveryLength) {
  const std::vector<float> edges = RoundingEdges();
  for (std::size_t length = 0; length < 70; ++length) {
    const absl::Span<const float> part(edges.data() + 1000, length);
    std::vector<std::uint16_t> fast(length), plain(length);
    const NarrowStats a = FloatToHalf(part, absl::MakeSpan(fast), OverflowMode::kClamp);
    const NarrowStats b = reference::FloatToHalf(part, absl::MakeSpan(plain), OverflowMode::kClamp);
    EXPECT_EQ(fast, plain);
    EXPECT_EQ(a.peak, b.peak);
    EXPECT_EQ(a.underflowed, b.underflowed);
  }
}

TEST(Half, RoundsInPlace) {
  std::vector<float> values = RoundingEdges();
  std::vector<float> expected(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    expected[i] = reference::HalfToFloat(reference::FloatToHalf(values[i]));
  }
  RoundToHalf(values, absl::MakeSpan(values), OverflowMode::kInfinity);
  EXPECT_EQ(values, expected);
}

TEST(Half, StatsOfPartsMergeToThoseOfTheWhole) {
  NarrowStats whole = {1, 2, 3, 4.0F};
  whole.Merge({10, 20, 30, 2.0F});
  EXPECT_EQ(whole.overflowed, 11U);
  EXPECT_EQ(whole.underflowed, 22U);
  EXPECT_EQ(whole.nonfinite, 33U);
  EXPECT_EQ(whole.peak, 4.0F);
}

TEST(BFloat16, RoundsAsEigenDoes) {
  const std::vector<float> edges = RoundingEdges();
  std::vector<std::uint16_t> narrow(edges.size());
  FloatToBFloat16(edges, absl::MakeSpan(narrow), OverflowMode::kInfinity);
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const auto expected =
        Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::bfloat16>(edges[i]));
    ASSERT_EQ(narrow[i], expected) << edges[i];
  }
}

}  // namespace
}  // namespace onnxquant::kernels
