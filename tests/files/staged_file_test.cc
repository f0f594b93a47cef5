#include "lib/files/staged_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

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

// Opens files until no more are allowed.
std::vector<Descriptor> OpenAll() {
  std::vector<Descriptor> all;
  do {
    all.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  } while (all.back().valid());
  return all;
}

TEST_P(StagedFileTest, MayBeOneMoreThanTheProcessBeganWith) {
  struct rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  constexpr rlim_t kFew = 64;
  const struct rlimit few = {kFew, before.rlim_max};
  const FolderPtr folder = Opened(temp_.path());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    const std::vector<Descriptor> all = OpenAll();
    EXPECT_TRUE(StagedFile::Create(folder, temp_ / "a", GetParam()).ok());
  }
  struct rlimit after = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
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

class AdoptedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(temp_ / "parts");
    temp_.Write("parts/done", "content");
  }
  StagedFile Adopted() const {
    return *StagedFile::Adopt(Opened(temp_ / "parts"), temp_ / "a", "done");
  }
  TempFolder temp_;
};

TEST_F(AdoptedFileTest, IsTheSameFileUnderBothNames) {
  StagedFile file = Adopted();
  ASSERT_TRUE(file.Sync().ok());
  const FileIdentity before = *file.Identity();
  ASSERT_TRUE(file.NameIt(Opened(temp_.path()), "name").ok());
  file.Release();
  EXPECT_EQ(temp_.Read("name"), "content");
  EXPECT_EQ(Opened(temp_.path())->Look("name")->identity, before);
  EXPECT_EQ(temp_.Read("parts/done"), "content");
}

TEST_F(AdoptedFileTest, StaysWhereItWasWhenTheSetIsGivenUp) {
  {
    StagedFile file = Adopted();
    ASSERT_TRUE(file.NameIt(Opened(temp_.path()), "name").ok());
  }
  EXPECT_THAT(temp_.Names(), ElementsAre("parts"));
  EXPECT_EQ(temp_.Read("parts/done"), "content");
}

TEST_F(AdoptedFileTest, TakesOnTheModeOfWhatItReplaces) {
  temp_.Write("old", "");
  ASSERT_EQ(chmod((temp_ / "old").c_str(), 0640), 0);
  const StagedFile file = Adopted();
  ASSERT_TRUE(file.KeepModeOf(*Opened(temp_.path())->Look("old")).ok());
  EXPECT_EQ(Opened(temp_ / "parts")->Look("done")->mode & 0777, 0640U);
}

TEST_F(AdoptedFileTest, IsRefusedWhereNoFileStands) {
  const auto gone = StagedFile::Adopt(Opened(temp_.path()), temp_ / "a", "missing");
  EXPECT_THAT(gone.status().message(), ::testing::HasSubstr("missing: is not there any more"));
  const auto folder = StagedFile::Adopt(Opened(temp_.path()), temp_ / "a", "parts");
  EXPECT_THAT(folder.status().message(), ::testing::HasSubstr("is no regular file"));
}

TEST(StagedFileAs, ReplacesWhatHasItsName) {
  const TempFolder temp;
  temp.Write("name", "old");
  StagedFile file = *StagedFile::CreateAs(Opened(temp.path()), temp / "name", "name.1.tmp");
  ASSERT_TRUE(file.WriteAt(0, Bytes("new")).ok());
  EXPECT_THAT(temp.Names(), ElementsAre("name", "name.1.tmp"));
  ASSERT_TRUE(file.Replace("name").ok());
  EXPECT_THAT(temp.Names(), ElementsAre("name"));
  EXPECT_EQ(temp.Read("name"), "new");
}

TEST(StagedFileAs, SaysSoWhenAnotherRunHasRemovedIt) {
  const TempFolder temp;
  StagedFile file = *StagedFile::CreateAs(Opened(temp.path()), temp / "name", "name.1.tmp");
  ASSERT_EQ(unlink((temp / "name.1.tmp").c_str()), 0);
  EXPECT_FALSE(file.Replace("name").ok());
}

}  // namespace
}  // namespace onnxquant
