#include "lib/files/placing.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlacingTest : public ::testing::Test {
 protected:
  const JournalEntry& kept() const { return set_.journal.entries[0]; }
  const JournalEntry& fresh() const { return set_.journal.entries[1]; }
  const JournalEntry& stale() const { return set_.journal.entries[2]; }
  const Folder& folder() const { return *set_.folders.front(); }
  void RemoveAllLeftovers() const {
    for (const JournalEntry& entry : set_.journal.entries) RemoveLeftovers(folder(), entry);
  }

  TempFolder temp_;
  PendingSet set_ = MakeSet(temp_);
};

TEST_F(PlacingTest, PutsInPlaceAndMayBeAskedAgain) {
  for (int i = 0; i < 2; ++i) {
    for (const JournalEntry& entry : set_.journal.entries) {
      ASSERT_TRUE(Place(folder(), entry).ok()) << entry.name;
    }
    EXPECT_EQ(temp_.Read("kept"), "new one");
    EXPECT_EQ(temp_.Read("fresh"), "new one");
  }
  RemoveAllLeftovers();
  EXPECT_THAT(temp_.Names(), ElementsAre("fresh", "kept"));
}

TEST_F(PlacingTest, TakesBackFromAnyPlace) {
  for (std::size_t placed = 0; placed <= 3; ++placed) {
    const TempFolder temp;
    const PendingSet set = MakeSet(temp);
    const auto& entries = set.journal.entries;
    for (std::size_t i = 0; i < placed; ++i) {
      ASSERT_TRUE(Place(*set.folders[0], entries[i]).ok());
    }
    for (int i = 0; i < 2; ++i) {
      for (const JournalEntry& entry : entries) {
        ASSERT_TRUE(TakeBack(*set.folders[0], entry).ok()) << placed << entry.name;
      }
    }
    for (const JournalEntry& entry : entries) RemoveLeftovers(*set.folders[0], entry);
    EXPECT_THAT(temp.Names(), ElementsAre("kept", "stale")) << placed;
    EXPECT_EQ(temp.Read("kept"), "old");
  }
}

TEST_F(PlacingTest, NeverPlacesWhatWasTakenBack) {
  ASSERT_TRUE(TakeBack(folder(), kept()).ok());
  EXPECT_FALSE(CanPlace(kept(), *LookAt(folder(), kept())));
  ASSERT_TRUE(Place(folder(), fresh()).ok());
  ASSERT_TRUE(TakeBack(folder(), fresh()).ok());
  EXPECT_FALSE(CanPlace(fresh(), *LookAt(folder(), fresh())));
}

TEST_F(PlacingTest, LeavesAloneWhatAppearedMeanwhile) {
  temp_.Write("fresh", "another's");
  EXPECT_FALSE(CanPlace(fresh(), *LookAt(folder(), fresh())));
  EXPECT_THAT(std::string(Place(folder(), fresh()).message()), HasSubstr("was left alone"));
  ASSERT_TRUE(TakeBack(folder(), fresh()).ok());
  EXPECT_EQ(temp_.Read("fresh"), "another's");
  temp_.Write("kept", "another's too");
  EXPECT_FALSE(CanPlace(kept(), *LookAt(folder(), kept())));
  EXPECT_FALSE(Place(folder(), kept()).ok());
  temp_.Write("stale", "another's too");
  ASSERT_TRUE(Place(folder(), stale()).ok());
  EXPECT_EQ(temp_.Read("stale"), "another's too");
}

TEST_F(PlacingTest, IsDoneWhereAnotherReplacedItSince) {
  ASSERT_TRUE(Place(folder(), kept()).ok());
  folder().Remove("kept");
  temp_.Write("kept", "another's");
  EXPECT_TRUE(CanPlace(kept(), *LookAt(folder(), kept())));
  EXPECT_TRUE(Place(folder(), kept()).ok());
  EXPECT_EQ(temp_.Read("kept"), "another's");
}

TEST_F(PlacingTest, BringsBackAFileThatHasTwoNamesOrOnlyTheOther) {
  ASSERT_EQ(folder().Link("kept", kept().aside), 0);  // as where files cannot be exchanged
  ASSERT_TRUE(Place(folder(), kept()).ok());
  ASSERT_TRUE(TakeBack(folder(), kept()).ok());
  RemoveLeftovers(folder(), kept());
  EXPECT_EQ(temp_.Read("kept"), "old");
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  const JournalEntry& entry = set.journal.entries[0];
  ASSERT_EQ(set.folders[0]->Rename("kept", entry.aside, 0), 0);  // nor hard links are known
  EXPECT_TRUE(CanPlace(entry, *LookAt(*set.folders[0], entry)));
  ASSERT_TRUE(TakeBack(*set.folders[0], entry).ok());
  EXPECT_EQ(temp.Read("kept"), "old");
}

TEST_F(PlacingTest, RemovesAStaleFileThatHasTwoNames) {
  ASSERT_EQ(folder().Link("stale", stale().aside), 0);
  ASSERT_TRUE(Place(folder(), stale()).ok());
  RemoveAllLeftovers();
  EXPECT_FALSE(folder().Look("stale")->exists);
}

TEST_F(PlacingTest, BringsBackAFileWhoseInodeChangedOnTheWay) {
  ASSERT_TRUE(Place(folder(), kept()).ok());
  ASSERT_EQ(folder().Remove(kept().staged), 0);
  temp_.Write(kept().staged, "old, copied");
  ASSERT_TRUE(TakeBack(folder(), kept()).ok());
  EXPECT_EQ(temp_.Read("kept"), "old, copied");
}

TEST_F(PlacingTest, SaysThatTheOldFileIsGone) {
  ASSERT_TRUE(Place(folder(), kept()).ok());
  ASSERT_EQ(folder().Remove(kept().staged), 0);
  EXPECT_THAT(std::string(TakeBack(folder(), kept()).message()),
              HasSubstr("kept: the file that it replaced is gone"));
  EXPECT_EQ(temp_.Read("kept"), "new one");
}

}  // namespace
}  // namespace onnxquant
