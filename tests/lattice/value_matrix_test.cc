#include "lib/lattice/value_matrix.h"

#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<float> Counted(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

std::vector<float> Read(const ValueMatrix& matrix, std::int64_t line, std::int64_t lines,
                        std::int64_t first, std::int64_t count) {
  std::vector<float> values;
  matrix.Read(line, lines, first, count, values);
  return values;
}

TEST(ValueMatrix, ReadsRowsAndColumns) {
  const std::vector<float> values = Counted(12);
  const auto ways = WaysToRead(AsBytes(values), ElementType::kFloat, {3, 4});
  ASSERT_THAT(ways, SizeIs(2));
  EXPECT_EQ(ways[0].axis, 1);
  EXPECT_EQ(ways[1].axis, 0);
  EXPECT_THAT(Read(ways[0], 1, 2, 1, 2), ElementsAre(5, 6, 9, 10));
  EXPECT_THAT(Read(ways[1], 1, 2, 1, 2), ElementsAre(5, 9, 6, 10));
}

TEST(ValueMatrix, ReadsColumnsOfEachOuterPart) {
  const std::vector<float> values = Counted(24);
  const auto ways = WaysToRead(AsBytes(values), ElementType::kFloat, {2, 3, 4});
  ASSERT_THAT(ways, SizeIs(2));
  EXPECT_EQ(ways[1].lines(), 8);
  EXPECT_EQ(ways[1].length(), 3);
  EXPECT_THAT(Read(ways[1], 5, 1, 0, 3), ElementsAre(13, 17, 21));
  EXPECT_THAT(Read(ways[0], 5, 1, 0, 4), ElementsAre(20, 21, 22, 23));
}

TEST(ValueMatrix, SeesFiltersAsRows) {
  const std::vector<float> values = Counted(24);
  const auto ways = WaysToRead(AsBytes(values), ElementType::kFloat, {2, 3, 2, 2});
  ASSERT_THAT(ways, SizeIs(1));
  EXPECT_EQ(ways[0].length(), 12);
  EXPECT_EQ(ways[0].axis, 1);
}

TEST(ValueMatrix, ReadsSixteenBits) {
  const std::vector<std::uint16_t> bfloat16 = {0x3F80, 0xBF80, 0x4000, 0};
  const auto ways = WaysToRead(AsBytes(bfloat16), ElementType::kBFloat16, {2, 2});
  ASSERT_THAT(ways, SizeIs(2));
  EXPECT_THAT(Read(ways[1], 0, 2, 0, 2), ElementsAre(1, 2, -1, 0));
  const auto halves = WaysToRead(AsBytes(bfloat16), ElementType::kFloat16, {2, 2});
  EXPECT_THAT(Read(halves[0], 1, 1, 0, 2), ElementsAre(2, 0));
}

TEST(ValueMatrix, IsNoneOfVectorsOtherTypesAndPayloadsOfAnotherSize) {
  const std::vector<float> values = Counted(4);
  EXPECT_THAT(WaysToRead(AsBytes(values), ElementType::kFloat, {4}), SizeIs(0));
  EXPECT_THAT(WaysToRead(AsBytes(values), ElementType::kInt32, {2, 2}), SizeIs(0));
  EXPECT_THAT(WaysToRead(AsBytes(values), ElementType::kFloat, {2, 3}), SizeIs(0));
  EXPECT_THAT(WaysToRead({}, ElementType::kFloat, {0, 3}), SizeIs(0));
}

}  // namespace
}  // namespace onnxquant
