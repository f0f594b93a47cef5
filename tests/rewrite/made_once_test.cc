#include "lib/rewrite/made_once.h"

#include <string>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(MadeOnce, TheInnermostOfSeveralIsFound) {
  MadeOnce<int, std::string> table;
  table.Add(0, 7, "outside");
  table.Add(3, 7, "inside");
  const std::string* found = table.Find({0, 3}, 7, Look::kAround);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(*found, "inside");
}

TEST(MadeOnce, OnlyGraphsThatAreOpenAreSearched) {
  MadeOnce<int, std::string> table;
  table.Add(2, 7, "elsewhere");
  EXPECT_EQ(table.Find({0, 3}, 7, Look::kAround), nullptr);
  table.Add(0, 7, "outside");
  EXPECT_NE(table.Find({0, 3}, 7, Look::kAround), nullptr);
  EXPECT_EQ(table.Find({0, 3}, 7, Look::kHere), nullptr);
  EXPECT_EQ(table.Find({0, 3}, 8, Look::kAround), nullptr);
}

}  // namespace
}  // namespace onnxquant
