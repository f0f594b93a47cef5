#include "lib/methods/method.h"

#include "gtest/gtest.h"

namespace onnxquant::methods {
namespace {

TEST(Method, RowsStandInTheOrderOfTheEnumeration) {
  for (const MethodRow& row : Methods()) EXPECT_EQ(&RowOf(row.method), &row);
  EXPECT_EQ(RowOf(Method::kNearest).word, "nearest");
  EXPECT_EQ(RowOf(Method::kGptq).word, "gptq");
  EXPECT_TRUE(RowOf(Method::kGptq).reads_moments);
}

TEST(Method, CodesThatAreSharedGetTheMethodThatTakesMorePains) {
  const Choice nearest;
  const Choice searched{Method::kSearch, ""};
  const Choice one{Method::kGptq, "one"};
  const Choice other{Method::kGptq, "other"};
  EXPECT_EQ(Later(nearest, one), one);
  EXPECT_EQ(Later(one, searched), one);
  EXPECT_EQ(Later(one, other), one);
  const Choice kept{Method::kLattice, ""};
  EXPECT_EQ(Later(one, kept), kept);
}

}  // namespace
}  // namespace onnxquant::methods
