#include "lib/kernels/block_rows.h"

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/kernels/block_dequantize.h"

namespace onnxquant::kernels {
namespace {

using ::testing::ElementsAreArray;

struct Quantized {
  std::vector<std::uint8_t> data;
  std::vector<float> scales;
  std::vector<std::uint8_t> zero_points;
};

Quantized MakeRoom(const BlockFormat& format, const BlockSizes& sizes) {
  return {std::vector<std::uint8_t>(sizes.data_bytes, 0xAA), std::vector<float>(sizes.scale_count),
          std::vector<std::uint8_t>(format.symmetric ? 0 : sizes.scale_count)};
}

TileOutput OutputTo(Quantized& to) {
  TileOutput output;
  output.data = absl::MakeSpan(to.data);
  output.scales_f32 = absl::MakeSpan(to.scales);
  output.zero_points = absl::MakeSpan(to.zero_points);
  return output;
}

using Case = std::tuple<int /*bits*/, std::size_t /*block*/, bool /*symmetric*/>;
class BlockRowsTest : public ::testing::TestWithParam<Case> {};

TEST_P(BlockRowsTest, AreThePaddedRowsWithoutTheirPadding) {
  const auto [bits, block, symmetric] = GetParam();
  const BlockFormat format{bits, block, symmetric, ScaleType::kFloat32};
  const std::size_t n = 5;
  for (const std::size_t k : {4UL, 16UL, 20UL, 256UL, 300UL, 520UL}) {
    std::mt19937 random(static_cast<unsigned>(k));
    std::normal_distribution<float> normal;
    std::vector<float> source(n * k);
    for (float& value : source) value = normal(random);
    Quantized padded = MakeRoom(format, SizesOf(format, k, n));
    Quantized rows = MakeRoom(format, RowSizesOf(format, k, n));
    QuantizeTile(format, WeightLayout::kNK, source, k, n, OutputTo(padded));
    QuantizeRows(format, source, k, n, OutputTo(rows));
    EXPECT_EQ(rows.scales, padded.scales) << k;
    EXPECT_EQ(rows.zero_points, padded.zero_points) << k;
    const std::size_t row_bytes = rows.data.size() / n;
    const std::size_t padded_bytes = padded.data.size() / n;
    ASSERT_EQ(row_bytes, k * static_cast<std::size_t>(bits) / 8);
    for (std::size_t row = 0; row < n; ++row) {
      const std::uint8_t* expected = padded.data.data() + row * padded_bytes;
      EXPECT_THAT(absl::MakeConstSpan(rows.data).subspan(row * row_bytes, row_bytes),
                  ElementsAreArray(expected, row_bytes));
    }

    std::vector<std::uint8_t> packed(SizesOf(format, k, n).zero_point_bytes);
    const std::size_t blocks = rows.scales.size() / n;
    if (!symmetric) PackZeroPoints(format, rows.zero_points, n, blocks, absl::MakeSpan(packed));
    std::vector<float> expected(n * k);
    std::vector<float> values(n * k);
    DequantizeBlocks(format, padded.data, padded.scales, packed, k, n, absl::MakeSpan(expected));
    DequantizeRows(format, rows.data, rows.scales, packed, k, n, absl::MakeSpan(values));
    EXPECT_EQ(values, expected) << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, BlockRowsTest,
                         ::testing::Combine(::testing::Values(2, 4, 8),
                                            ::testing::Values(16, 32, 256), ::testing::Bool()));

TEST(BlockRows, HoldWholeBytesOnly) {
  EXPECT_TRUE(HoldsWholeBytes({8}, 3));
  EXPECT_TRUE(HoldsWholeBytes({4}, 6));
  EXPECT_FALSE(HoldsWholeBytes({4}, 7));
  EXPECT_FALSE(HoldsWholeBytes({2}, 6));
}

}  // namespace
}  // namespace onnxquant::kernels
