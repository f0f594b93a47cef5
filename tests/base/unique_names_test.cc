#include "lib/base/unique_names.h"

#include <string>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(UniqueNames, GivesTheFirstNumberThatIsFree) {
  const std::string a = "a";
  const std::string again = "a";
  const std::string a_3 = "a_3";
  const std::string a_4 = "a_4";
  UniqueNames names;
  EXPECT_TRUE(names.Insert(a));
  EXPECT_FALSE(names.Insert(again));
  EXPECT_TRUE(names.Insert(a_3));
  EXPECT_EQ(names.Take("b"), "b");
  EXPECT_EQ(names.Take("b"), "b_2");
  EXPECT_EQ(names.Take("a"), "a_2");
  EXPECT_EQ(names.Take("a"), "a_4");
  EXPECT_FALSE(names.Insert(a_4));
}

// Searched from 2 on each time, these would be a hundred billion tries.
TEST(UniqueNames, OneNameHalfAMillionTimesIsNoMoreWorkThanAsManyNames) {
  UniqueNames names;
  std::string last;
  for (int i = 0; i < 500'000; ++i) last = names.Take("node");
  EXPECT_EQ(last, "node_500000");
}

}  // namespace
}  // namespace onnxquant
