#include "lib/base/sha256.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"

namespace onnxquant {
namespace {

TEST(Sha256, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(Sha256Of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Of(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, IsOfAllBytesWhereverTheyWereParted) {
  const std::string first = "ab";
  const std::string second = "c";
  Sha256 hash;
  hash.Add(AsBytes(first));
  Sha256 moved = std::move(hash);
  moved.Add(AsBytes(second));
  EXPECT_EQ(moved.Hex(), Sha256Of("abc"));
}

TEST(Sha256, KeepsTextsThatFollowEachOtherApart) {
  Sha256 one;
  one.Add("ab");
  one.Add("c");
  Sha256 other;
  other.Add("a");
  other.Add("bc");
  EXPECT_NE(one.Hex(), other.Hex());
}

}  // namespace
}  // namespace onnxquant
