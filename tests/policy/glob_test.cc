#include "lib/policy/glob.h"

#include <string>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(GlobTest, StarsCrossSlashesAndBracketsAreSets) {
  EXPECT_TRUE(FitsGlob("/model/*/MatMul", "/model/layers.0/q/MatMul"));
  EXPECT_TRUE(FitsGlob("w?", "w1"));
  EXPECT_TRUE(FitsGlob("w[0-3]", "w2"));
  EXPECT_FALSE(FitsGlob("w[0-3]", "w[0-3]"));
  EXPECT_FALSE(FitsGlob("w", "w1"));
}

TEST(GlobTest, ABracketInASetIsItself) {
  EXPECT_TRUE(FitsGlob("w[[]0]", "w[0]"));
  EXPECT_TRUE(FitsGlob(WithPlainBrackets("w[0]*"), "w[0].weight"));
}

TEST(GlobTest, AnyNameCanBeAGlobThatFitsItAlone) {
  const std::string names[] = {"w[0]", "a*", "a?", "back\\slash", "[", "]", "plain"};
  for (const std::string& name : names) EXPECT_TRUE(FitsGlob(AsGlob(name), name)) << name;
  EXPECT_FALSE(FitsGlob(AsGlob("w[0]"), "w0"));
  EXPECT_FALSE(FitsGlob(AsGlob("back\\slash"), "backslash"));
}

TEST(GlobTest, ANulEndsNoName) {
  EXPECT_FALSE(FitsGlob("a", std::string("a\0b", 3)));
}

}  // namespace
}  // namespace onnxquant
