#include "lib/files/staged_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StagedFileTest : public ::testing::TestWithParam<bool> {
 protected:
  StagedFile Staged() const {
    return *StagedFile::Create(Opened(temp_.path()), temp_ / "a", GetParam());
  }
  TempFolder temp_;
};

TEST_P(StagedFileTest, GoesWithoutAName) {
  {
    StagedFile file = Staged();
    ASSERT_TRUE(file.Reserve(100).ok());
    EXPECT_THAT(temp_.Names(), SizeIs(GetParam() ? 1 : 0));
  }
  EXPECT_THAT(temp_.Names(), IsEmpty());
}

TEST_P(StagedFileTest, KeepsItsContentUnderItsName) {
  {
    StagedFile file = Staged();
    ASSERT_TRUE(file.WriteAt(2, Bytes("cd")).ok());
    ASSERT_TRUE(file.WriteAt(0, Bytes("ab")).ok());
    ASSERT_TRUE(file.Sync().ok());
    ASSERT_TRUE(file.NameIt(Opened(temp_.path()), "name").ok());
    const auto state = Opened(temp_.path())->Look("name");
    EXPECT_EQ(*file.Identity(), state->identity);
    file.Release();
  }
  EXPECT_THAT(temp_.Names(), ElementsAre("name"));
  EXPECT_EQ(temp_.Read("name"), "abcd");
}

TEST_P(StagedFileTest, GoesWithItsNameUnlessItWasReleased) {
  {
    StagedFile file = Staged();
    ASSERT_TRUE(file.NameIt(Opened(temp_.path()), "name").ok());
  }
  EXPECT_THAT(temp_.Names(), IsEmpty());
}

TEST_P(StagedFileTest, TakesNoNameThatIsTaken) {
  temp_.Write("name", "another's");
  StagedFile file = Staged();
  EXPECT_EQ(KindOf(file.NameIt(Opened(temp_.path()), "name")), ErrorKind::kWrite);
  EXPECT_EQ(temp_.Read("name"), "another's");
}

TEST_P(StagedFileTest, TakesOnTheModeOfTheOldFile) {
  temp_.Write("old", "");
  ASSERT_EQ(chmod((temp_ / "old").c_str(), 0604), 0);
  StagedFile file = Staged();
  ASSERT_TRUE(file.KeepModeOf(*Opened(temp_.path())->Look("old")).ok());
  ASSERT_TRUE(file.NameIt(Opened(temp_.path()), "name").ok());
  EXPECT_EQ(Opened(temp_.path())->Look("name")->mode & 0777, 0604U);
}

TEST_P(StagedFileTest, TakesOnTheOwnerOfTheOldFileWherePermitted) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  temp_.Write("old", "");
  ASSERT_EQ(chown((temp_ / "old").c_str(), 1234, 2345), 0);
  StagedFile file = Staged();
  ASSERT_TRUE(file.KeepModeOf(*Opened(temp_.path())->Look("old")).ok());
  ASSERT_TRUE(file.NameIt(Opened(temp_.path()), "name").ok());
  const auto state = Opened(temp_.path())->Look("name");
  EXPECT_EQ(state->user, 1234U);
  EXPECT_EQ(state->group, 2345U);
}

TEST(StagedFile, IsTriedForItsNameWithoutATrace) {
  const TempFolder temp;
  EXPECT_TRUE(StagedFile::CanBeUnnamed(*Opened(temp.path())));
  EXPECT_THAT(temp.Names(), IsEmpty());
  EXPECT_FALSE(StagedFile::CanBeUnnamed(*Opened("/proc")));
}

INSTANTIATE_TEST_SUITE_P(OnFileSystems, StagedFileTest, ::testing::Values(false, true),
                         [](const auto& named) {
                           return named.param ? "ThatNeedNames" : "WithUnnamedFiles";
                         });

}  // namespace
}  // namespace onnxquant
