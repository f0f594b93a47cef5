#include "lib/files/commit.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Commit, PutsAllInPlaceAndLeavesNothingElse) {
  const TempFolder temp;
  ASSERT_TRUE(CommitSet(MakeSet(temp)).ok());
  EXPECT_THAT(temp.Names(), ElementsAre("fresh", "kept"));
  EXPECT_EQ(temp.Read("kept"), "new one");
}

TEST(Commit, TakesAllBackWhenOneCannotBePlaced) {
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  temp.Write("fresh", "another's");
  EXPECT_THAT(std::string(CommitSet(set).message()), HasSubstr("fresh: appeared while"));
  EXPECT_THAT(temp.Names(), ElementsAre("fresh", "kept", "stale"));
  EXPECT_EQ(temp.Read("kept"), "old");
  EXPECT_EQ(temp.Read("fresh"), "another's");
}

TEST(Commit, HasNothingToDoWithAnEmptySet) {
  EXPECT_TRUE(CommitSet({}).ok());
}

}  // namespace
}  // namespace onnxquant
