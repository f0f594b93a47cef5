#include "lib/kernels/bnb4_quantize.h"

#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/half.h"
#include "lib/kernels/reference.h"

namespace onnxquant::kernels {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

struct Quantized {
  Quantized(const Bnb4Format& format, std::size_t count)
      : data(Bnb4SizesOf(format, count).data_bytes, 0xAA),
        f32(format.scale == ScaleType::kFloat32 ? Bnb4SizesOf(format, count).absmax_count : 0),
        f16(format.scale == ScaleType::kFloat16 ? Bnb4SizesOf(format, count).absmax_count : 0) {}
  Bnb4Output Output() { return {absl::MakeSpan(data), absl::MakeSpan(f32), absl::MakeSpan(f16)}; }
  bool operator==(const Quantized&) const = default;
  std::vector<std::uint8_t> data;
  std::vector<float> f32;
  std::vector<std::uint16_t> f16;
};

std::vector<float> Weights(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> weights(count);
  for (float& weight : weights) {
    const unsigned kind = random() % 16;
    weight = normal(random);
    if (kind == 0) weight = 0.0F;
    if (kind == 1) weight = -0.0F;
    if (kind == 2) weight *= 1e-42F;
  }
  return weights;
}

using Case = std::tuple<Bnb4Type, std::size_t /*block*/, ScaleType>;
class Bnb4QuantizeTest : public ::testing::TestWithParam<Case> {
 protected:
  Bnb4Format Format() const {
    const auto [type, block, scale] = GetParam();
    return {type, block, scale};
  }
};

TEST_P(Bnb4QuantizeTest, EqualsTheReferenceForRunsOfEverySize) {
  const Bnb4Format format = Format();
  for (const std::size_t size : {0UL, 1UL, 2UL, 15UL, 33UL, 64UL, 255UL, 513UL, 70'001UL}) {
    std::vector<float> values = Weights(size, static_cast<unsigned>(size));
    if (size > 500) {
      values[3] = std::numeric_limits<float>::quiet_NaN();
      values[300] = -std::numeric_limits<float>::infinity();
    }
    Quantized quantized(format, size);
    Quantized expected(format, size);
    QuantizeBnb4(format, values, quantized.Output());
    reference::QuantizeBnb4(format, values, expected.Output());
    EXPECT_EQ(quantized, expected) << size;
  }
}

TEST_P(Bnb4QuantizeTest, MakesOfColumnsWhatItMakesOfThemTransposed) {
  const Bnb4Format format = Format();
  const std::size_t k = 2 * format.block;
  for (const std::size_t n : {1UL, 8UL, 37UL, 141UL}) {
    std::vector<float> rows = Weights(k * n, static_cast<unsigned>(n));
    for (std::size_t row = 0; row < format.block; ++row) {
      rows[row * n] = std::numeric_limits<float>::quiet_NaN();
    }
    std::vector<float> transposed(rows.size());
    TransposeRows(rows, k, n, absl::MakeSpan(transposed));
    Quantized columns(format, rows.size());
    Quantized expected(format, rows.size());
    QuantizeBnb4Columns(format, rows, k, n, columns.Output());
    reference::QuantizeBnb4(format, transposed, expected.Output());
    EXPECT_EQ(columns, expected) << n;
  }
}

TEST_P(Bnb4QuantizeTest, RestoresTheNearestLevel) {
  Bnb4Format format = Format();
  format.scale = ScaleType::kFloat32;
  const std::vector<float> values = Weights(1001, 5);
  Quantized quantized(format, values.size());
  QuantizeBnb4(format, values, quantized.Output());
  std::vector<float> restored(values.size());
  DequantizeBnb4(format, quantized.data, quantized.f32, absl::MakeSpan(restored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float absmax = quantized.f32[i / format.block];
    float nearest = std::numeric_limits<float>::infinity();
    for (const float level : Bnb4Levels(format.type)) {
      nearest = std::min(nearest, std::fabs(level * absmax - values[i]));
    }
    ASSERT_LE(std::fabs(restored[i] - values[i]), nearest + 1e-5F * absmax) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Bnb4QuantizeTest,
                         ::testing::Combine(::testing::Values(Bnb4Type::kFp4, Bnb4Type::kNf4),
                                            ::testing::Values(16, 64, 256),
                                            ::testing::Values(ScaleType::kFloat32,
                                                              ScaleType::kFloat16)));

TEST(Bnb4Quantize, PutsTheFirstCodeInTheHighHalf) {
  Quantized quantized({}, 3);
  QuantizeBnb4({}, {-2, 2, 0.2F}, quantized.Output());
  EXPECT_THAT(quantized.f32, ElementsAre(2));
  EXPECT_THAT(quantized.data, ElementsAre(0x0F, 0x87));  // the odd last one's partner is a zero
}

TEST(Bnb4Quantize, GivesABlockOfZerosTheCodeOfZero) {
  for (const Bnb4Type type : {Bnb4Type::kFp4, Bnb4Type::kNf4}) {
    const Bnb4Format format{type, 16, ScaleType::kFloat32};
    Quantized quantized(format, 16);
    QuantizeBnb4(format, std::vector<float>(16, -0.0F), quantized.Output());
    EXPECT_FALSE(std::signbit(quantized.f32[0]));
    EXPECT_THAT(quantized.data, Each(type == Bnb4Type::kNf4 ? 0x77 : 0x00));
  }
}

TEST(Bnb4Quantize, HasABlockStartAfterEachStepOfColumns) {
  EXPECT_EQ(Bnb4ColumnStep(64, 128), 1);
  EXPECT_EQ(Bnb4ColumnStep(64, 96), 2);
  EXPECT_EQ(Bnb4ColumnStep(64, 7), 64);
}

TEST(Bnb4Quantize, Transposes) {
  std::vector<float> transposed(6);
  TransposeRows({1, 2, 3, 4, 5, 6}, 2, 3, absl::MakeSpan(transposed));
  EXPECT_THAT(transposed, ElementsAre(1, 4, 2, 5, 3, 6));
}

}  // namespace
}  // namespace onnxquant::kernels
