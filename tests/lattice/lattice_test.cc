#include "lib/lattice/lattice.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

Lattice Of(int symmetric_bits, int zero_point_bits, std::int64_t block) {
  Lattice lattice;
  lattice.symmetric_bits = symmetric_bits;
  lattice.zero_point_bits = zero_point_bits;
  lattice.bits = symmetric_bits;
  lattice.block = block;
  lattice.blocks = lattice.exact = 10;
  lattice.half_scales = true;
  return lattice;
}

TEST(GridThatHolds, HasTheFewestBitsAndTheSmallerBlock) {
  EXPECT_EQ(GridThatHolds(Of(4, 4, 32), 8, 32), (BlockGrid{4, 32, true}));
  EXPECT_EQ(GridThatHolds(Of(5, 5, 32), 8, 128), (BlockGrid{8, 32, true}));
  EXPECT_EQ(GridThatHolds(Of(6, 6, 16), 8, 32), (BlockGrid{8, 16, true}));
  EXPECT_EQ(GridThatHolds(Of(8, 8, 0), 8, 64), (BlockGrid{8, 64, true}));
  EXPECT_EQ(GridThatHolds(Of(2, 2, 256), 4, 32), (BlockGrid{2, 32, true}));
}

TEST(GridThatHolds, HasZeroPointsOnlyWhereTheySaveBits) {
  EXPECT_EQ(GridThatHolds(Of(5, 4, 32), 8, 32), (BlockGrid{4, 32, false}));
  EXPECT_EQ(GridThatHolds(Of(9, 8, 32), 8, 32), (BlockGrid{8, 32, false}));
  EXPECT_EQ(GridThatHolds(Of(6, 5, 32), 8, 32), (BlockGrid{8, 32, true}));
}

TEST(GridThatHolds, IsNoneOfTooManyBitsMinimumsAndBlocksThatAreNotExact) {
  EXPECT_FALSE(GridThatHolds(Of(5, 5, 32), 4, 32));
  EXPECT_FALSE(GridThatHolds(Of(9, 9, 32), 8, 32));
  Lattice lattice = Of(4, 4, 32);
  lattice.exact = 9;
  EXPECT_FALSE(GridThatHolds(lattice, 8, 32));
  lattice.exact = 10;
  lattice.kind = Lattice::Kind::kMinimum;
  EXPECT_FALSE(GridThatHolds(lattice, 8, 32));
}

TEST(Lattice, IsSaidInWords) {
  Lattice lattice = Of(5, 5, 32);
  EXPECT_EQ(ToString(lattice), "5 bits in blocks of 32, symmetric, float16 scales");
  EXPECT_EQ(LikelySource(lattice), "Q5_0");
  lattice.block = 0;
  lattice.half_scales = false;
  lattice.rounding = methods::Rounding::kBFloat16;
  lattice.exact = 9;
  EXPECT_EQ(
      ToString(lattice),
      "5 bits per channel, symmetric, exact after rounding to bfloat16; in 90.00 % of blocks");
  EXPECT_EQ(LikelySource(lattice), "");
  lattice.blocks = 1000000;
  lattice.exact = 999999;
  EXPECT_NE(ToString(lattice).find("in 99.99 %"), std::string::npos);
  EXPECT_EQ(ToString(BlockGrid{8, 16, false}), "int8 block 16 asymmetric");
}

}  // namespace
}  // namespace onnxquant
