#include "lib/numpy/npy.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/numpy_files.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::vector<T> Values(const NumpyArray& array) {
  std::vector<T> values(array.payload().size() / sizeof(T));
  std::memcpy(values.data(), array.payload().data(), array.payload().size());
  return values;
}

NumpyArray Parse(const std::string& file) {
  auto array = ParseNpy("x.npy", file);
  EXPECT_TRUE(array.ok()) << array.status();
  return array.ok() ? *std::move(array) : NumpyArray();
}

std::string Refusal(const std::string& file) {
  const auto array = ParseNpy("x.npy", file);
  EXPECT_EQ(KindOf(array.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(array.status().message()), ::testing::StartsWith("x.npy: "));
  return std::string(array.status().message());
}

TEST(NpyTest, ReadsNumbersOfEveryWidth) {
  const NumpyArray floats = Parse(NpyOfFloats("(2, 1)", {1.5F, -2.0F}));
  EXPECT_EQ(floats.type, ElementType::kFloat);
  EXPECT_THAT(floats.dims, ElementsAre(2, 1));
  EXPECT_THAT(Values<float>(floats), ElementsAre(1.5F, -2.0F));
  const std::pair<const char*, ElementType> kTypes[] = {
      {"<f2", ElementType::kFloat16}, {"<f8", ElementType::kDouble},
      {"|i1", ElementType::kInt8},    {"<i2", ElementType::kInt16},
      {"<i4", ElementType::kInt32},   {"<i8", ElementType::kInt64},
      {"|u1", ElementType::kUint8},   {"<u2", ElementType::kUint16},
      {"<u4", ElementType::kUint32},  {"<u8", ElementType::kUint64},
      {"|b1", ElementType::kBool},    {"<V2", ElementType::kBFloat16}};
  for (const auto& [descr, type] : kTypes) {
    const std::string data(static_cast<std::size_t>(BitsOf(type)) / 8 * 3, '\0');
    EXPECT_EQ(Parse(NpyFile(descr, "(3,)", data)).type, type) << descr;
  }
}

TEST(NpyTest, ReadsScalarsAndArraysWithoutElements) {
  const NumpyArray scalar = Parse(NpyOfIntegers("()", {16000}));
  EXPECT_TRUE(scalar.dims.empty());
  EXPECT_EQ(scalar.elements(), 1U);
  EXPECT_THAT(Values<std::int64_t>(scalar), ElementsAre(16000));
  const NumpyArray empty = Parse(NpyOfFloats("(2, 0, 64)", {}));
  EXPECT_THAT(empty.dims, ElementsAre(2, 0, 64));
  EXPECT_EQ(empty.elements(), 0U);
}

TEST(NpyTest, TurnsTheBytesOfOtherMachines) {
  EXPECT_THAT(
      Values<std::int32_t>(Parse(NpyFile(">i4", "(2,)", std::string("\0\0\1\2\0\0\0\7", 8)))),
      ElementsAre(258, 7));
}

TEST(NpyTest, PutsFortransOrderInRows) {
  // The columns of [[1, 2, 3], [4, 5, 6]], and of two such.
  const std::string flat("\1\4\2\5\3\6", 6);
  EXPECT_THAT(Values<std::int8_t>(Parse(NpyFile("|i1", "(2, 3)", flat, true))),
              ElementsAre(1, 2, 3, 4, 5, 6));
  const std::string cube("\1\5\3\7\2\6\4\10", 8);
  EXPECT_THAT(Values<std::int8_t>(Parse(NpyFile("|i1", "(2, 2, 2)", cube, true))),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(Parse(NpyFile("<f4", "(0, 3)", "", true)).elements(), 0U);
}

TEST(NpyTest, MakesOnesOfWhatIsTrue) {
  EXPECT_THAT(Values<std::uint8_t>(Parse(NpyFile("|b1", "(3,)", std::string("\0\1\xff", 3)))),
              ElementsAre(0, 1, 1));
}

TEST(NpyTest, RefusesWhatIsNoNumber) {
  EXPECT_THAT(Refusal(NpyFile("|O", "(1,)", "........")), HasSubstr("holds Python objects"));
  EXPECT_THAT(Refusal(NpyFile("<U5", "(1,)", "....")), HasSubstr("holds text ('U5')"));
  EXPECT_THAT(Refusal(NpyFile("<c8", "(1,)", "........")), HasSubstr("holds complex numbers"));
  EXPECT_THAT(Refusal(NpyFile("<M8[ns]", "(1,)", "........")),
              HasSubstr("expected one of numbers"));
  EXPECT_THAT(Refusal(NpyFile("<f16", "(1,)", "................")),
              HasSubstr("another type ('f16')"));
  EXPECT_THAT(Refusal(NpyFile("|V1", "(1,)", ".")), HasSubstr("expected booleans, integers"));
}

TEST(NpyTest, TakesWhatTheShapeNeedsToTheByte) {
  EXPECT_THAT(Refusal(NpyOfFloats("(3,)", {1, 2})),
              HasSubstr("has 8 bytes of elements; its shape needs more: 12"));
  EXPECT_THAT(Refusal(NpyOfFloats("(1,)", {1, 2})),
              HasSubstr("its shape needs 4, and what the others are is not known"));
  EXPECT_THAT(Refusal(NpyOfFloats("(4611686018427387904, 4)", {1})), HasSubstr("its shape needs"));
  EXPECT_THAT(Refusal(NpyOfFloats("(99999999999999999999,)", {1})),
              HasSubstr("its shape cannot be read"));
  std::string dims = "(";
  for (int i = 0; i < 65; ++i) dims += "1,";
  std::string file = std::string("\x93NUMPY\x01\x00", 8);
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + dims + ")}";
  file += static_cast<char>(header.size());
  file += std::string(1, '\0') + header + "....";
  EXPECT_THAT(Refusal(file), HasSubstr("has 65 dimensions; at most 64"));
}

}  // namespace
}  // namespace onnxquant
