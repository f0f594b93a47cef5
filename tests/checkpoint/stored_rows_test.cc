#include "lib/checkpoint/stored_rows.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/checkpoint/files.h"

namespace onnxquant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr std::uint16_t kHalfOne = 0x3C00;
constexpr std::uint16_t kHalfTwo = 0x4000;

std::vector<float> Read(const StoredType* type, const std::string& raw, std::size_t count) {
  std::vector<float> values(count);
  ReadStored(*type, AsBytes(raw).data(), absl::MakeSpan(values));
  return values;
}

TEST(StoredRows, ReadFloats) {
  EXPECT_THAT(Read(TypeOfSafetensors("F32"), Raw(1.5F) + Raw(-2.0F), 2), ElementsAre(1.5F, -2));
  EXPECT_THAT(Read(TypeOfSafetensors("F16"), Raw(kHalfOne) + Raw(kHalfTwo), 2), ElementsAre(1, 2));
  EXPECT_THAT(Read(TypeOfSafetensors("BF16"), Raw(std::uint16_t{0x3F80}), 1), ElementsAre(1));
  EXPECT_EQ(TypeOfSafetensors("I64"), nullptr);
  EXPECT_EQ(TypeOfSafetensors("Q4_0"), nullptr);
}

TEST(StoredRows, ReadBlocksOfThirtyTwo) {
  // Codes 1 in the low and 15 in the upper halves.
  const std::string codes(16, static_cast<char>(0xF1));
  const auto q4_0 = Read(TypeOfGguf(2), Raw(kHalfTwo) + codes, 32);
  EXPECT_EQ(q4_0[0], -14);
  EXPECT_EQ(q4_0[31], 14);
  const auto q4_1 = Read(TypeOfGguf(3), Raw(kHalfTwo) + Raw(kHalfOne) + codes, 32);
  EXPECT_EQ(q4_1[15], 3);
  EXPECT_EQ(q4_1[16], 31);
  // The fifth bit of codes 0 and 31.
  const auto q5_0 = Read(TypeOfGguf(6), Raw(kHalfOne) + Raw(0x80000001U) + codes, 32);
  EXPECT_EQ(q5_0[0], 1);
  EXPECT_EQ(q5_0[1], -15);
  EXPECT_EQ(q5_0[31], 15);
  const auto q8_0 = Read(TypeOfGguf(8), Raw(kHalfTwo) + std::string(32, static_cast<char>(-3)), 32);
  EXPECT_THAT(q8_0, Each(-6));
}

TEST(StoredRows, ReadSixBitsInBlocksOfSixteen) {
  const std::string block =
      std::string(128, '\0') + std::string(64, '\0') + std::string(16, '\2') + Raw(kHalfOne);
  EXPECT_THAT(Read(TypeOfGguf(14), block, 256), Each(-64));
}

TEST(StoredRows, TypesThatAreNotReadHaveNames) {
  EXPECT_EQ(TypeOfGguf(10), nullptr);
  EXPECT_EQ(NameOfGguf(10), "Q2_K");
  EXPECT_EQ(NameOfGguf(12), "Q4_K");
  EXPECT_EQ(NameOfGguf(999), "type 999");
}

}  // namespace
}  // namespace onnxquant
