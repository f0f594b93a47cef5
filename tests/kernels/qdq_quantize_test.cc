#include "lib/kernels/qdq_quantize.h"

#include <cmath>
#include <cstring>
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

struct Quantized {
  Quantized(const QdqFormat& format, std::size_t count, std::size_t blocks)
      : data(PackedBytes(format.bits, count), 0xAA),
        f32(format.scale == ScaleType::kFloat32 ? blocks : 0),
        f16(format.scale == ScaleType::kFloat16 ? blocks : 0),
        zero_points(format.symmetric ? 0 : blocks) {}
  QdqScales Scales() {
    return {absl::MakeSpan(f32), absl::MakeSpan(f16), absl::MakeSpan(zero_points)};
  }
  bool operator==(const Quantized& other) const {
    return data == other.data && f16 == other.f16 && zero_points == other.zero_points &&
           (f32.empty() ||
            std::memcmp(f32.data(), other.f32.data(), f32.size() * sizeof(float)) == 0);
  }
  std::vector<std::uint8_t> data;
  std::vector<float> f32;
  std::vector<std::uint16_t> f16;
  std::vector<std::uint8_t> zero_points;
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
    if (kind == 2) weight = std::round(weight * 4) / 4;
    if (kind == 3) weight *= 1e-7F;
  }
  return weights;
}

using Case = std::tuple<int /*bits*/, bool /*symmetric*/, ScaleType>;
class QdqQuantizeTest : public ::testing::TestWithParam<Case> {
 protected:
  QdqFormat Format() const {
    const auto [bits, symmetric, scale] = GetParam();
    return {bits, symmetric, scale};
  }
};

TEST_P(QdqQuantizeTest, EqualsTheReferenceAlongEitherAxisForEveryShape) {
  const QdqFormat format = Format();
  for (const std::size_t block : {16UL, 32UL, 100UL}) {
    for (const std::size_t k : {1UL, 7UL, 33UL, 64UL, 201UL}) {
      for (const std::size_t n : {1UL, 3UL, 16UL, 37UL, 141UL}) {
        std::vector<float> rows = Weights(k * n, static_cast<unsigned>(k * 1000 + n));
        if (k == 33) rows[rows.size() / 2] = std::numeric_limits<float>::quiet_NaN();
        if (k == 64) rows[k - 1] = -std::numeric_limits<float>::infinity();
        Quantized columns(format, k * n, (k + block - 1) / block * n);
        Quantized expected = columns;
        QuantizeQdqColumns(format, block, rows, k, n, absl::MakeSpan(columns.data),
                           columns.Scales());
        reference::QuantizeQdq(format, false, block, rows, k, n, absl::MakeSpan(expected.data),
                               expected.Scales());
        EXPECT_TRUE(columns == expected) << "columns " << block << " " << k << " x " << n;

        Quantized along(format, k * n, k * ((n + block - 1) / block));
        Quantized expected_along = along;
        QuantizeQdqRows(format, block, rows, k, n, absl::MakeSpan(along.data), along.Scales());
        reference::QuantizeQdq(format, true, block, rows, k, n, absl::MakeSpan(expected_along.data),
                               expected_along.Scales());
        EXPECT_TRUE(along == expected_along) << "rows " << block << " " << k << " x " << n;
      }
    }
  }
}

TEST_P(QdqQuantizeTest, GivesAColumnOneScaleInTilesAsInOnePiece) {
  const QdqFormat format = Format();
  const std::size_t k = 50;
  const std::size_t n = 37;
  const std::vector<float> rows = Weights(k * n, 3);
  Quantized whole(format, k * n, n);
  Quantized tiled = whole;
  QuantizeQdqColumns(format, k, rows, k, n, absl::MakeSpan(whole.data), whole.Scales());
  const auto first = absl::MakeConstSpan(rows).first(24 * n);
  const auto second = absl::MakeConstSpan(rows).subspan(24 * n);
  std::vector<QdqRange> ranges(n);
  ExtendQdqRanges(second, absl::MakeSpan(ranges));
  ExtendQdqRanges(first, absl::MakeSpan(ranges));
  QdqScalesOf(format, ranges, tiled.Scales());
  const std::size_t bytes = PackedBytes(format.bits, first.size());
  QuantizeQdqWithScales(format, tiled.Scales(), first, 24, n,
                        absl::MakeSpan(tiled.data).first(bytes));
  QuantizeQdqWithScales(format, tiled.Scales(), second, 26, n,
                        absl::MakeSpan(tiled.data).subspan(bytes));
  EXPECT_TRUE(tiled == whole);
}

INSTANTIATE_TEST_SUITE_P(Formats, QdqQuantizeTest,
                         ::testing::Combine(::testing::Values(2, 4, 8), ::testing::Bool(),
                                            ::testing::Values(ScaleType::kFloat32,
                                                              ScaleType::kFloat16)));

TEST(QdqQuantize, PacksSignedCodesLowBitsFirstAcrossRows) {
  const std::vector<float> rows = {-8, 1, 2, 7, -8, 3.5F};  // [2,3], a block a row: scale 1
  Quantized quantized({}, 6, 2);
  QuantizeQdqRows({}, 3, rows, 2, 3, absl::MakeSpan(quantized.data), quantized.Scales());
  EXPECT_THAT(quantized.f32, ElementsAre(1, 1));
  EXPECT_THAT(quantized.data, ElementsAre(0x18, 0x72, 0x48));
}

TEST(QdqQuantize, RoundsBeforeItAddsTheZeroPoint) {
  // lo -1, scale 1/15 of 15: zero point 1; -0.5 rounds to -1, and not 0.5 to 1.
  const std::vector<float> rows = {-1, 14, -0.5F, 0.5F};
  const QdqFormat format{4, false, ScaleType::kFloat32};
  Quantized quantized(format, 4, 1);
  QuantizeQdqRows(format, 4, rows, 1, 4, absl::MakeSpan(quantized.data), quantized.Scales());
  EXPECT_THAT(quantized.zero_points, ElementsAre(1));
  EXPECT_THAT(quantized.data, ElementsAre(0xF0, 0x20));
}

TEST(QdqQuantize, PacksZeroPointsFlat) {
  std::vector<std::uint8_t> packed(2);
  PackFlat(4, {1, 2, 3}, absl::MakeSpan(packed));
  EXPECT_THAT(packed, ElementsAre(0x21, 0x03));
  PackFlat(2, {1, 2, 3, 0, 1}, absl::MakeSpan(packed));
  EXPECT_THAT(packed, ElementsAre(0b00'11'10'01, 0b01));
}

}  // namespace
}  // namespace onnxquant::kernels
