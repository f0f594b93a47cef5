#include "lib/files/records.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Records, LeadToTheSetAndAreRemoved) {
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  const auto before = temp.Names();
  ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
  EXPECT_THAT(temp.Names(), SizeIs(before.size() + 1));
  const auto found = FindRecords(set.folders[0]);
  ASSERT_TRUE(found.ok());
  ASSERT_THAT(found->sets, SizeIs(1));
  EXPECT_EQ(found->sets[0].journal.id, set.journal.id);
  EXPECT_THAT(found->sets[0].journal.entries, SizeIs(3));
  ASSERT_TRUE(RemoveRecords(set.journal, set.folders).ok());
  EXPECT_EQ(temp.Names(), before);
}

TEST(Records, LeadFromEachOfTheirFoldersToTheOthers) {
  const TempFolder temp;
  PendingSet set = MakeSet(temp);
  temp.Write("a/x", "");
  temp.Write("b/c/x", "");
  set.folders.push_back(Opened(temp / "a"));
  set.folders.push_back(Opened(temp / "b/c"));
  ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
  for (const FolderPtr& folder : set.folders) {
    const auto found = FindRecords(folder);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_THAT(found->sets, SizeIs(1));
    ASSERT_THAT(found->sets[0].folders, SizeIs(3));
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(found->sets[0].folders[i]->key(), set.folders[i]->key());
    }
  }
}

TEST(Records, AreNotWrittenForMoreFilesThanTheyMayList) {
  const TempFolder temp;
  PendingSet set = MakeSet(temp);
  const auto before = temp.Names();
  const JournalEntry entry = set.journal.entries[0];
  const std::size_t count = static_cast<std::size_t>(limits::kJournalBytes) / 100;
  set.journal.entries.assign(count, entry);
  EXPECT_EQ(KindOf(WriteRecords(set.journal, set.folders)), ErrorKind::kWrite);
  EXPECT_EQ(temp.Names(), before);
}

TEST(Records, AreUnclearWhereTheyAreTooLarge) {
  const TempFolder temp;
  const std::string name = NameOfOwn(OwnKind::kJournal, MakeId());
  temp.Write(name, std::string(static_cast<std::size_t>(limits::kJournalBytes) + 1, ' '));
  const auto found = FindRecords(Opened(temp.path()));
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->sets, IsEmpty());
  EXPECT_THAT(found->unclear, ElementsAre(name));
}

TEST(Records, AreRefusedWhereThereAreMoreThanRunsLeave) {
  const TempFolder temp;
  for (int i = 0; i < limits::kJournals; ++i)
    temp.Write(NameOfOwn(OwnKind::kJournal, MakeId()), "");
  EXPECT_THAT(std::string(FindRecords(Opened(temp.path())).status().message()),
              HasSubstr("is damaged"));
  temp.Write(NameOfOwn(OwnKind::kPointer, MakeId()), "");
  EXPECT_THAT(std::string(FindRecords(Opened(temp.path())).status().message()),
              HasSubstr("has 65 records of interrupted runs"));
}

TEST(Records, MayBeOfALiveProcessUnlessAUserSaysSo) {
  Journal journal;
  journal.id = MakeId();
  EXPECT_TRUE(MayBeLive(journal, false));
  EXPECT_TRUE(MayBeLive(journal, true));       // it is this one
  journal.id = "0123abcd-1-0123456789abcdef";  // another machine's, or of before a restart
  EXPECT_TRUE(MayBeLive(journal, false));
  EXPECT_FALSE(MayBeLive(journal, true));
}

}  // namespace
}  // namespace onnxquant
