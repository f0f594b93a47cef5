#include "lib/files/recovery.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/files/placing.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Recovered RecoverIn(const std::string& path) {
  const FolderPtr folder = Opened(path);
  Recovered recovered;
  EXPECT_TRUE(LockAndRecover({&folder, 1}, {}, recovered).ok());
  return recovered;
}

std::string ErrorIn(const std::string& path) {
  const FolderPtr folder = Opened(path);
  Recovered recovered;
  return std::string(LockAndRecover({&folder, 1}, {}, recovered).status().message());
}

TEST(Recovery, FinishesASetWhereverItsRunStopped) {
  for (std::size_t placed = 0; placed <= 3; ++placed) {
    const TempFolder temp;
    const PendingSet set = MakeSet(temp);
    ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
    for (std::size_t i = 0; i < placed; ++i) {
      ASSERT_TRUE(Place(*set.folders[0], set.journal.entries[i]).ok());
    }
    EXPECT_THAT(RecoverIn(temp.path()).completed,
                ElementsAre(temp / "kept", temp / "fresh", temp / "stale"));
    EXPECT_THAT(temp.Names(), ElementsAre("fresh", "kept")) << placed;
    EXPECT_EQ(temp.Read("kept"), "new one");
    EXPECT_TRUE(RecoverIn(temp.path()).nothing());
  }
}

TEST(Recovery, TakesASetBackWhereANewFileIsGone) {
  for (std::size_t placed = 0; placed <= 1; ++placed) {
    const TempFolder temp;
    const PendingSet set = MakeSet(temp);
    ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
    if (placed == 1) {
      ASSERT_TRUE(Place(*set.folders[0], set.journal.entries[0]).ok());
    }
    ASSERT_EQ(set.folders[0]->Remove(set.journal.entries[1].staged), 0);
    EXPECT_THAT(RecoverIn(temp.path()).restored, SizeIs(3));
    EXPECT_THAT(temp.Names(), ElementsAre("kept", "stale"));
    EXPECT_EQ(temp.Read("kept"), "old");
  }
}

TEST(Recovery, RemovesTemporaryFilesOfNobody) {
  const TempFolder temp;
  const std::string name = NewTemporary();
  temp.Write(name, "litter");
  temp.Write("precious", "");
  EXPECT_THAT(RecoverIn(temp.path()).removed, ElementsAre(temp / name));
  EXPECT_THAT(temp.Names(), ElementsAre("precious"));
}

// A set in two folders, of which the second has the file "kept".
class RecoveryOfTwoFolders : public ::testing::Test {
 protected:
  RecoveryOfTwoFolders() {
    temp_.Write("main/x", "");
    temp_.Write("other/x", "");
    other_ = Opened(temp_ / "other");
    set_ = MakeSet(inner_);
    for (const JournalEntry& entry : set_.journal.entries) {
      for (const std::string& name : {entry.name, entry.staged}) Move(name, entry.name == "kept");
    }
    set_.journal.entries[0].folder = 1;
    set_.folders = {Opened(temp_ / "main"), other_};
    EXPECT_TRUE(WriteRecords(set_.journal, set_.folders).ok());
  }

  void Move(const std::string& name, bool other) const {
    if (name.empty()) return;
    const std::string to = temp_ / ((other ? "other/" : "main/") + name);
    static_cast<void>(rename((inner_ / name).c_str(), to.c_str()));
  }

  void ExpectItIsDone() const {
    EXPECT_EQ(temp_.Read("other/kept"), "new one");
    EXPECT_EQ(temp_.Read("main/fresh"), "new one");
    EXPECT_THAT(*Opened(temp_ / "main")->Names(), ElementsAre(".", "..", "fresh", "x"));
    EXPECT_THAT(*Opened(temp_ / "other")->Names(), ElementsAre(".", "..", "kept", "x"));
  }

  TempFolder temp_;
  TempFolder inner_;
  FolderPtr other_;
  PendingSet set_;
};

TEST_F(RecoveryOfTwoFolders, FinishesTheSetFromTheOneWithTheJournal) {
  EXPECT_THAT(RecoverIn(temp_ / "main").completed, SizeIs(3));
  ExpectItIsDone();
}

TEST_F(RecoveryOfTwoFolders, FinishesTheSetFromTheOneWithThePointer) {
  EXPECT_THAT(RecoverIn(temp_ / "other").completed, SizeIs(3));
  ExpectItIsDone();
}

TEST_F(RecoveryOfTwoFolders, FindsFoldersThatWereMovedTogether) {
  ASSERT_EQ(rename((temp_ / "main").c_str(), (inner_ / "main").c_str()), 0);
  ASSERT_EQ(rename((temp_ / "other").c_str(), (inner_ / "other").c_str()), 0);
  EXPECT_THAT(RecoverIn(inner_ / "main").completed, SizeIs(3));
  EXPECT_EQ(inner_.Read("other/kept"), "new one");
}

TEST_F(RecoveryOfTwoFolders, NeedsThePointerInTheOther) {
  const std::string pointer = NameOfOwn(OwnKind::kPointer, set_.journal.id);
  ASSERT_EQ(other_->Remove(pointer), 0);
  EXPECT_THAT(ErrorIn(temp_ / "main"), HasSubstr("which is not there, or is another folder"));
  EXPECT_EQ(temp_.Read("other/kept"), "old");
}

TEST_F(RecoveryOfTwoFolders, RemovesAPointerToAJournalThatIsDoneWith) {
  ASSERT_EQ(set_.folders[0]->Remove(NameOfOwn(OwnKind::kJournal, set_.journal.id)), 0);
  EXPECT_THAT(RecoverIn(temp_ / "other").completed, SizeIs(0));
  EXPECT_EQ(Opened(temp_ / "other")->Names()->size(), 4U);
  EXPECT_EQ(temp_.Read("other/kept"), "old");
}

TEST(Recovery, KeepsEverythingWhereARecordIsDamaged) {
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  temp.Write(NameOfOwn(OwnKind::kJournal, set.journal.id), "hello");
  const auto before = temp.Names();
  EXPECT_THAT(ErrorIn(temp.path()), HasSubstr("its checksum does not fit; remove it to keep"));
  EXPECT_EQ(temp.Names(), before);
}

// As in an archive that somebody unpacks: the inodes are other ones.
TEST(Recovery, FollowsNoJournalThatCameWithItsFilesFromElsewhere) {
  const TempFolder temp;
  PendingSet set = MakeSet(temp);
  for (JournalEntry& entry : set.journal.entries) {
    entry.made.inode += entry.made.inode == 0 ? 0 : 1000;
    entry.old.inode += entry.old.inode == 0 ? 0 : 1000;
  }
  ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
  RecoverIn(temp.path());
  EXPECT_EQ(temp.Read("kept"), "old");
  EXPECT_EQ(temp.Read("stale"), "old");
  EXPECT_THAT(temp.Names(), Contains("stale"));
}

TEST(Recovery, TrustsNoRecordOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  ASSERT_TRUE(WriteRecords(set.journal, set.folders).ok());
  const std::string journal = NameOfOwn(OwnKind::kJournal, set.journal.id);
  ASSERT_EQ(chown((temp / journal).c_str(), 1234, 1234), 0);
  const auto before = temp.Names();
  EXPECT_TRUE(RecoverIn(temp.path()).nothing());
  EXPECT_EQ(temp.Names(), before);
}

TEST(Recovery, FollowsNoLinkAndNoPipeInThePlaceOfARecord) {
  const TempFolder temp;
  const PendingSet set = MakeSet(temp);
  temp.Write("text", WriteJournal(set.journal));
  const std::string journal = NameOfOwn(OwnKind::kJournal, set.journal.id);
  ASSERT_EQ(symlink("text", (temp / journal).c_str()), 0);
  EXPECT_TRUE(RecoverIn(temp.path()).nothing());
  ASSERT_EQ(set.folders[0]->Remove(journal), 0);
  ASSERT_EQ(mkfifo((temp / journal).c_str(), 0600), 0);
  EXPECT_TRUE(RecoverIn(temp.path()).nothing());
  EXPECT_EQ(temp.Read("kept"), "old");
}

TEST(Recovery, DoesNothingWithoutAskingInACleanFolder) {
  const TempFolder temp;
  temp.Write("model.onnx", "");
  const FolderPtr folder = Opened(temp.path());
  const auto held = FolderLock::LockAll({&folder, 1}, {});
  Recovered recovered;
  EXPECT_TRUE(RecoverIfPending(folder, {}, recovered).ok());  // did not wait
  temp.Write(NewTemporary(), "");
  EXPECT_TRUE(RecoverIfPending(folder, {}, recovered).ok());
  EXPECT_TRUE(recovered.nothing());
}

}  // namespace
}  // namespace onnxquant
