#include "lib/kernels/block_quantize.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/block_dequantize.h"
#include "lib/kernels/half.h"
#include "lib/kernels/reference.h"

namespace onnxquant::kernels {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

struct Buffers {
  Buffers(const BlockFormat& format, std::size_t k, std::size_t n)
      : data(SizesOf(format, k, n).data_bytes, 0xAA),
        scales_f32(format.scale == ScaleType::kFloat32 ? SizesOf(format, k, n).scale_count : 0),
        scales_f16(format.scale == ScaleType::kFloat16 ? SizesOf(format, k, n).scale_count : 0),
        zero_points(format.symmetric ? 0 : SizesOf(format, k, n).scale_count) {}
  TileOutput Output() {
    TileOutput output;
    output.data = absl::MakeSpan(data);
    output.scales_f32 = absl::MakeSpan(scales_f32);
    output.scales_f16 = absl::MakeSpan(scales_f16);
    output.zero_points = absl::MakeSpan(zero_points);
    return output;
  }
  bool operator==(const Buffers&) const = default;
  std::vector<std::uint8_t> data;
  std::vector<float> scales_f32;
  std::vector<std::uint16_t> scales_f16;
  std::vector<std::uint8_t> zero_points;
};

bool SameBits(const Buffers& one, const Buffers& other) {
  return one.data == other.data && one.scales_f16 == other.scales_f16 &&
         one.zero_points == other.zero_points &&
         (one.scales_f32.empty() || std::memcmp(one.scales_f32.data(), other.scales_f32.data(),
                                                one.scales_f32.size() * sizeof(float)) == 0);
}

Buffers Quantize(const BlockFormat& format, WeightLayout layout, const std::vector<float>& source,
                 std::size_t k, std::size_t n) {
  Buffers buffers(format, k, n);
  QuantizeTile(format, layout, source, k, n, buffers.Output());
  return buffers;
}

// Random values with the edges that a quantizer meets: zeros of both signs, ties, tiny blocks.
std::vector<float> Weights(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::vector<float> weights(count);
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned kind = random() % 16;
    weights[i] = normal(random);
    if (kind == 0) weights[i] = 0.0F;
    if (kind == 1) weights[i] = -0.0F;
    if (kind == 2) weights[i] = std::round(weights[i] * 4) / 4;
    if (kind == 3) weights[i] *= 1e-7F;
  }
  return weights;
}

using Case =
    std::tuple<int /*bits*/, std::size_t /*block*/, bool /*symmetric*/, ScaleType, WeightLayout>;
class BlockQuantizeTest : public ::testing::TestWithParam<Case> {};

TEST_P(BlockQuantizeTest, EqualsTheReferenceBitForBitForEveryShape) {
  const auto [bits, block, symmetric, scale, layout] = GetParam();
  const BlockFormat format{bits, block, symmetric, scale};
  for (const std::size_t k : {1UL, 2UL, 15UL, 33UL, 64UL, 257UL, 300UL}) {
    for (const std::size_t n : {1UL, 3UL, 16UL, 37UL}) {
      const std::vector<float> source = Weights(k * n, static_cast<unsigned>(k * 1000 + n));
      Buffers expected(format, k, n);
      reference::QuantizeTile(format, layout, source, k, n, expected.Output());
      EXPECT_EQ(Quantize(format, layout, source, k, n), expected) << k << " x " << n;
    }
  }
}

TEST_P(BlockQuantizeTest, IsOffByAtMostHalfAStep) {
  const auto [bits, block, symmetric, scale, layout] = GetParam();
  const BlockFormat format{bits, block, symmetric, scale};
  const std::size_t k = 300;
  const std::size_t n = 9;
  const std::size_t blocks = (k + block - 1) / block;
  const std::vector<float> source = Weights(k * n, 5);
  Buffers buffers = Quantize(format, layout, source, k, n);
  if (scale == ScaleType::kFloat16) {
    buffers.scales_f32.resize(buffers.scales_f16.size());
    HalfToFloat(buffers.scales_f16, absl::MakeSpan(buffers.scales_f32));
  }
  std::vector<std::uint8_t> packed(SizesOf(format, k, n).zero_point_bytes);
  if (!symmetric) PackZeroPoints(format, buffers.zero_points, n, blocks, absl::MakeSpan(packed));
  std::vector<float> restored(n * k);
  DequantizeBlocks(format, buffers.data, buffers.scales_f32, packed, k, n,
                   absl::MakeSpan(restored));
  double noise = 0;
  double power = 0;
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t i = 0; i < k; ++i) {
      const float value = layout == WeightLayout::kKN ? source[i * n + row] : source[row * k + i];
      const float step = std::fabs(buffers.scales_f32[row * blocks + i / block]);
      // Symmetric codes end one step short of the side opposite the largest value.
      const float allowed = symmetric ? 1.02F * step : 0.52F * step + 1e-6F;
      ASSERT_LE(std::fabs(restored[row * k + i] - value), allowed + 0.002F * std::fabs(value));
      noise += std::pow(restored[row * k + i] - value, 2);
      power += std::pow(value, 2);
    }
  }
  EXPECT_GT(10 * std::log10(power / noise), bits == 2 ? 2 : 6 * bits - 9);
}

TEST_P(BlockQuantizeTest, GivesWhatTheReferenceGivesForValuesThatAreNotFinite) {
  const auto [bits, block, symmetric, scale, layout] = GetParam();
  const BlockFormat format{bits, block, symmetric, scale};
  const std::size_t k = 3 * block - 3;
  const std::size_t n = 21;
  std::vector<float> source = Weights(k * n, 9);
  std::mt19937 random(4);
  const float infinity = std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < 3 * n; ++i) {
    source[random() % source.size()] = std::numeric_limits<float>::quiet_NaN();
    if (i % 4 == 0) source[random() % source.size()] = i % 8 == 0 ? infinity : -infinity;
  }
  Buffers expected(format, k, n);
  reference::QuantizeTile(format, layout, source, k, n, expected.Output());
  EXPECT_TRUE(SameBits(Quantize(format, layout, source, k, n), expected));
}

TEST_P(BlockQuantizeTest, IsDequantizedAsTheReferenceDoes) {
  const auto [bits, block, symmetric, scale, layout] = GetParam();
  const BlockFormat format{bits, block, symmetric, scale};
  std::mt19937 random(6);
  for (const std::size_t k : {1UL, 17UL, 256UL, 301UL}) {
    const std::size_t n = 5;
    const BlockSizes sizes = SizesOf(format, k, n);
    std::vector<std::uint8_t> data(sizes.data_bytes);
    std::vector<std::uint8_t> zero_points(sizes.zero_point_bytes);
    for (std::uint8_t& codes : data) codes = static_cast<std::uint8_t>(random());
    for (std::uint8_t& codes : zero_points) codes = static_cast<std::uint8_t>(random());
    const std::vector<float> scales = Weights(sizes.scale_count, 8);
    std::vector<float> expected(n * k);
    std::vector<float> values(n * k);
    reference::DequantizeBlocks(format, data, scales, zero_points, k, n, absl::MakeSpan(expected));
    DequantizeBlocks(format, data, scales, zero_points, k, n, absl::MakeSpan(values));
    EXPECT_EQ(values, expected) << k;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Formats, BlockQuantizeTest,
    ::testing::Combine(::testing::Values(2, 4, 8), ::testing::Values(16, 64, 256),
                       ::testing::Bool(),
                       ::testing::Values(ScaleType::kFloat32, ScaleType::kFloat16),
                       ::testing::Values(WeightLayout::kKN, WeightLayout::kNK)));

// Bytes that ONNX Runtime 1.30's quantize_matmul_4bits gives, x86-64.
TEST(BlockQuantize, GivesABlockOfZerosANegativeZeroScaleAndTheMiddleCode) {
  const Buffers zeros = Quantize({}, WeightLayout::kKN, std::vector<float>(32, 0.0F), 32, 1);
  EXPECT_TRUE(std::signbit(zeros.scales_f32[0]));
  EXPECT_EQ(zeros.scales_f32[0], 0.0F);
  EXPECT_THAT(zeros.data, Each(0x88));
  const Buffers negative = Quantize({}, WeightLayout::kKN, std::vector<float>(32, -0.0F), 32, 1);
  EXPECT_FALSE(std::signbit(negative.scales_f32[0]));
}

TEST(BlockQuantize, PacksFourCodesOfTwoBitsAByteAndOneOfEight) {
  std::vector<float> source(16, 0.0F);
  source[0] = -2.0F;  // scale 1 with 2 bits, 2/128 with 8
  source[1] = 1.0F;
  source[2] = -1.0F;
  const BlockFormat two{2, 16, true, ScaleType::kFloat32};
  EXPECT_THAT(Quantize(two, WeightLayout::kNK, source, 16, 1).data,
              ElementsAre(0b10'01'11'00, 0xAA, 0xAA, 0xAA));
  const BlockFormat eight{8, 16, true, ScaleType::kFloat32};
  EXPECT_THAT(
      Quantize(eight, WeightLayout::kNK, source, 16, 1).data,
      ElementsAre(0, 192, 64, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128));
}

TEST(BlockQuantize, CarriesTheSignOfTheLargestValueInTheScale) {
  std::vector<float> source(32, 0.0F);
  source[0] = 8.0F;
  source[1] = -7.0F;
  const Buffers buffers = Quantize({}, WeightLayout::kKN, source, 32, 1);
  EXPECT_EQ(buffers.scales_f32[0], -1.0F);
  EXPECT_EQ(buffers.data[0], 0xF0);  // 8 -> code 0, -7 -> code 15
}

TEST(BlockQuantize, RoundsTiesAwayFromZero) {
  std::vector<float> source(32, 0.0F);
  source[0] = -8.0F;  // scale 1
  source[1] = 0.5F;
  source[2] = -0.5F;
  const Buffers buffers = Quantize({}, WeightLayout::kKN, source, 32, 1);
  EXPECT_EQ(buffers.data[0], 0x90);         // 0.5 + 8 = 8.5 -> 9
  EXPECT_EQ(buffers.data[1] & 0x0F, 0x08);  // -0.5 + 8 = 7.5 -> 8
}

TEST(BlockQuantize, RoundsTheGreatestNumberBelowAHalfDown) {
  BlockFormat format;
  format.symmetric = false;
  std::vector<float> source(32, 0.0F);
  source[0] = 15.0F;  // scale 1, zero point 0
  source[1] = 0x1.fffffep-2F;
  const Buffers buffers = Quantize(format, WeightLayout::kNK, source, 32, 1);
  EXPECT_EQ(buffers.data[0], 0x0F);
}

TEST(BlockQuantize, MakesAllCodesTheMiddleWhenTheHalfScaleUnderflows) {
  BlockFormat format;
  format.scale = ScaleType::kFloat16;
  const Buffers buffers = Quantize(format, WeightLayout::kNK, std::vector<float>(32, 1e-8F), 32, 1);
  EXPECT_EQ(buffers.scales_f16[0] & 0x7FFF, 0);
  EXPECT_THAT(buffers.data, Each(0x88));
}

TEST(BlockQuantize, FillsUnusedZeroPointSlotsWithTheMiddle) {
  BlockFormat format;
  format.symmetric = false;
  std::vector<std::uint8_t> packed(4);
  PackZeroPoints(format, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}, 2, 3, absl::MakeSpan(packed));
  EXPECT_THAT(packed, ElementsAre(0x21, 0x83, 0x54, 0x86));
  format.bits = 2;
  packed.resize(2);
  PackZeroPoints(format, std::vector<std::uint8_t>{1, 2, 3, 3, 0, 1}, 2, 3, absl::MakeSpan(packed));
  EXPECT_THAT(packed, ElementsAre(0b10'11'10'01, 0b10'01'00'11));
}

// Codes of a known format, unpacked and packed again.
TEST(BlockQuantize, PacksCodesAsTheQuantizerDoes) {
  for (const int bits : {2, 4, 8}) {
    BlockFormat format;
    format.bits = bits;
    format.block = 16;
    format.symmetric = false;
    const std::size_t k = 40;
    const std::size_t n = 3;
    const std::vector<float> source = Weights(k * n, 4);
    Buffers buffers(format, k, n);
    QuantizeTile(format, WeightLayout::kNK, source, k, n, buffers.Output());
    const std::size_t row_bytes = buffers.data.size() / n;
    const auto pack = static_cast<std::size_t>(8 / bits);
    std::vector<std::uint8_t> codes(n * k);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const unsigned byte = buffers.data[i / k * row_bytes + i % k / pack];
      codes[i] = static_cast<std::uint8_t>(byte >> (i % k % pack * static_cast<unsigned>(bits)) &
                                           ((1U << bits) - 1));
    }
    std::vector<std::uint8_t> packed(buffers.data.size(), 0xEE);
    PackCodes(format, codes, k, n, absl::MakeSpan(packed));
    EXPECT_EQ(packed, buffers.data) << bits;
  }
}

}  // namespace
}  // namespace onnxquant::kernels
