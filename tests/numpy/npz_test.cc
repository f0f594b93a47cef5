#include "lib/numpy/npz.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/numpy_files.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t kMost = 1 << 20;

std::string Refusal(const std::string& file, std::uint64_t most = kMost) {
  const auto arrays = ParseNpz("x.npz", file, most);
  EXPECT_EQ(KindOf(arrays.status()), ErrorKind::kUsage);
  return std::string(arrays.status().message());
}

TEST(NpzTest, ReadsNamedArrays) {
  const auto arrays = ParseNpz("x.npz",
                               ZipFile({{"input_ids.npy", NpyOfIntegers("(1, 2)", {3, 4})},
                                        {"a/b.npy", NpyOfFloats("(1,)", {0.5F}), true}}),
                               kMost);
  ASSERT_TRUE(arrays.ok()) << arrays.status();
  ASSERT_EQ(arrays->size(), 2U);
  EXPECT_EQ((*arrays)[0].name, "input_ids");
  EXPECT_THAT((*arrays)[0].array.dims, ElementsAre(1, 2));
  EXPECT_EQ((*arrays)[1].name, "a/b");
  EXPECT_EQ((*arrays)[1].array.type, ElementType::kFloat);
}

TEST(NpzTest, NamesTheArrayThatIsWrong) {
  EXPECT_THAT(Refusal(ZipFile({{"pixels.npy", NpyOfFloats("(3,)", {1})}})),
              HasSubstr("x.npz: array 'pixels': has 4 bytes of elements; its shape needs more"));
  EXPECT_THAT(Refusal(ZipFile({{"o.npy", NpyFile("|O", "()", "")}})),
              HasSubstr("x.npz: array 'o': holds Python objects"));
}

TEST(NpzTest, RefusesWhatIsNoArrayAndTwoOfOneName) {
  EXPECT_THAT(Refusal(ZipFile({{"readme.txt", "hello"}})),
              HasSubstr("holds 'readme.txt', which is"));
  EXPECT_THAT(Refusal(ZipFile({{".npy", "hello"}})), HasSubstr("which is no array"));
  const std::string one = NpyOfFloats("(1,)", {1});
  EXPECT_THAT(Refusal(ZipFile({{"a.npy", one}, {"a.npy", one}})), HasSubstr("two arrays 'a'"));
  EXPECT_THAT(Refusal(ZipFile({})), HasSubstr("holds no arrays"));
}

TEST(NpzTest, BoundsWhatAnArchiveUnpacksTo) {
  const std::string zeros = NpyFile("|i1", "(1000000,)", std::string(1000000, '\0'));
  const std::string bomb = ZipFile({{"a.npy", zeros, true}, {"b.npy", zeros, true}});
  EXPECT_LT(bomb.size(), 5000U);
  EXPECT_THAT(Refusal(bomb), HasSubstr("come to more than the 1048576 bytes that may be read"));
  EXPECT_TRUE(ParseNpz("x.npz", bomb, 3000000).ok());
}

}  // namespace
}  // namespace onnxquant
