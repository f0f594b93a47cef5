#include "lib/files/output_files.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

absl::Span<const std::byte> Bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

absl::Status AddAndWrite(OutputFiles& files, const std::string& name, const std::string& content) {
  ONNXQUANT_ASSIGN_OR_RETURN(const int file, files.Add(name, content.size()));
  return files.WriteAt(file, 0, Bytes(content));
}

TEST(OutputFiles, AppearTogetherOnCommit) {
  const TempFolder folder;
  auto files = OutputFiles::Create(folder.path(), {});
  ASSERT_TRUE(files.ok());
  ASSERT_TRUE(AddAndWrite(*files, "a", "one").ok());
  ASSERT_TRUE(AddAndWrite(*files, "b", "two").ok());
  for (const char* name : {"a", "b"}) EXPECT_THAT(folder.Names(), Not(Contains(name)));
  ASSERT_TRUE(files->Commit().ok());
  EXPECT_THAT(folder.Names(), ElementsAre("a", "b"));
  EXPECT_EQ(folder.Read("b"), "two");
}

TEST(OutputFiles, LeaveNothingWithoutACommit) {
  const TempFolder folder;
  {
    auto files = OutputFiles::Create(folder / "new/inner", {});
    ASSERT_TRUE(files.ok());
    ASSERT_TRUE(AddAndWrite(*files, "a", "one").ok());
  }
  EXPECT_THAT(folder.Names(), IsEmpty());
}

TEST(OutputFiles, LeaveNothingWhenTheCommitIsCancelled) {
  const TempFolder folder;
  const std::atomic<bool> cancelled{true};
  {
    auto files = OutputFiles::Create(folder.path(), {.waiting = {.cancelled = &cancelled}});
    ASSERT_TRUE(AddAndWrite(*files, "a", "new").ok());
    EXPECT_EQ(KindOf(files->Commit()), ErrorKind::kCancelled);
  }
  EXPECT_TRUE(folder.Names().empty());
}

TEST(OutputFiles, RefuseToReplaceUnlessForced) {
  const TempFolder folder;
  folder.Write("a", "old");
  auto files = OutputFiles::Create(folder.path(), {});
  const auto refused = files->Add("a", 3);
  EXPECT_EQ(KindOf(refused.status()), ErrorKind::kWrite);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("exists already; --force"));
  auto forced = OutputFiles::Create(folder.path(), {.force = true});
  ASSERT_TRUE(AddAndWrite(*forced, "a", "new").ok());
  EXPECT_EQ(folder.Read("a"), "old");
  ASSERT_TRUE(forced->Commit().ok());
  EXPECT_THAT(folder.Names(), ElementsAre("a"));
  EXPECT_EQ(folder.Read("a"), "new");
}

TEST(OutputFiles, LeaveWhatTurnsOutToBeAsItShould) {
  const TempFolder folder;
  folder.Write("a", "old");
  folder.Write("b", "old");
  auto files = OutputFiles::Create(folder.path(), {.force = true});
  const auto left = files->Add("a", 0);
  ASSERT_TRUE(left.ok());
  ASSERT_TRUE(AddAndWrite(*files, "b", "new").ok());
  files->Leave(*left);
  ASSERT_TRUE(files->Commit().ok());
  EXPECT_EQ(folder.Read("a"), "old");
  EXPECT_EQ(folder.Read("b"), "new");
  EXPECT_THAT(folder.Names(), ElementsAre("a", "b"));
}

TEST(OutputFiles, NeverReplaceAnInputUnderAnyName) {
  const TempFolder folder;
  folder.Write("input", "precious");
  ASSERT_EQ(symlink("input", (folder / "soft").c_str()), 0);
  ASSERT_EQ(link((folder / "input").c_str(), (folder / "hard").c_str()), 0);
  auto files = OutputFiles::Create(folder.path(), {.force = true});
  files->Protect(folder / "input");
  for (const char* name : {"input", "soft", "hard"}) {
    EXPECT_THAT(std::string(files->Add(name, 3).status().message()),
                HasSubstr("is part of the input"))
        << name;
  }
}

TEST(OutputFiles, RefuseNamesThatLeaveTheFolder) {
  const TempFolder folder;
  auto files = OutputFiles::Create(folder.path(), {});
  for (const char* name : {"../x", "a/b", "", ".."}) EXPECT_FALSE(files->Add(name, 1).ok()) << name;
}

TEST(OutputFiles, UndoEarlierRenamesWhenALaterOneFails) {
  const TempFolder folder;
  folder.Write("a", "old");
  auto files = OutputFiles::Create(folder.path(), {.force = true});
  ASSERT_TRUE(AddAndWrite(*files, "a", "new").ok());
  ASSERT_TRUE(AddAndWrite(*files, "b", "new").ok());
  folder.Write("b/in the way", "x");  // a folder where the second file should go
  EXPECT_FALSE(files->Commit().ok());
  EXPECT_EQ(folder.Read("a"), "old");
}

TEST(OutputFiles, NeverReplaceWhatAppearedMeanwhileUnlessForced) {
  const TempFolder folder;
  {
    auto files = OutputFiles::Create(folder.path(), {});
    ASSERT_TRUE(AddAndWrite(*files, "a", "ours").ok());
    ASSERT_TRUE(AddAndWrite(*files, "b", "ours").ok());
    folder.Write("b", "another's");
    const absl::Status status = files->Commit();
    EXPECT_EQ(KindOf(status), ErrorKind::kWrite);
    EXPECT_THAT(std::string(status.message()), HasSubstr("appeared while the output was written"));
  }
  EXPECT_THAT(folder.Names(), ElementsAre("b"));
  EXPECT_EQ(folder.Read("b"), "another's");
  auto files = OutputFiles::Create(folder.path(), {.force = true});
  ASSERT_TRUE(AddAndWrite(*files, "c", "ours").ok());
  folder.Write("c", "another's");
  ASSERT_TRUE(files->Commit().ok());
  EXPECT_EQ(folder.Read("c"), "ours");
}

TEST(OutputFiles, RemoveStaleFilesWithTheCommit) {
  const TempFolder folder;
  folder.Write("a_data_1", "stale");
  auto files = OutputFiles::Create(folder.path(), {});
  ASSERT_TRUE(AddAndWrite(*files, "a_data", "new").ok());
  files->RemoveOnCommit({"a_data_1"});
  EXPECT_EQ(folder.Read("a_data_1"), "stale");
  ASSERT_TRUE(files->Commit().ok());
  EXPECT_THAT(folder.Names(), ElementsAre("a_data"));
}

TEST(OutputFiles, FindAFullDiskWhenSpaceIsReserved) {
  const TempFolder folder;
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {4096, limit.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  {
    auto files = OutputFiles::Create(folder.path(), {});
    const auto added = files->Add("a", 1 << 20);
    EXPECT_EQ(KindOf(added.status()), ErrorKind::kWrite);
    EXPECT_THAT(std::string(added.status().message()), HasSubstr("reserving space failed"));
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_THAT(folder.Names(), IsEmpty());
}

TEST(OutputFiles, RefuseAFolderThatIsAFileOrCannotBeMade) {
  const TempFolder folder;
  folder.Write("file", "x");
  EXPECT_THAT(std::string(OutputFiles::Create(folder / "file", {}).status().message()),
              HasSubstr("is not a folder"));
  EXPECT_EQ(KindOf(OutputFiles::Create("/proc/nowhere", {}).status()), ErrorKind::kWrite);
}

TEST(OutputFiles, TakeInWhatAnotherProcessWrote) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "parts");
  folder.Write("parts/done", "two");
  folder.Write("b", "old");
  auto files = OutputFiles::Create(folder.path(), {.force = true});
  ASSERT_TRUE(AddAndWrite(*files, "a", "one").ok());
  ASSERT_TRUE(files->Adopt("b", *Folder::Open(folder / "parts", "-o"), "done").ok());
  EXPECT_EQ(folder.Read("b"), "old");
  ASSERT_TRUE(files->Commit().ok());
  EXPECT_THAT(folder.Names(), ElementsAre("a", "b", "parts"));
  EXPECT_EQ(folder.Read("b"), "two");
  EXPECT_EQ(folder.Read("parts/done"), "two");
}

TEST(OutputFiles, TakeInNothingThatMayNotReplaceWhatIsThere) {
  const TempFolder folder;
  folder.Write("done", "two");
  folder.Write("b", "precious");
  auto files = OutputFiles::Create(folder.path(), {});
  const auto added = files->Adopt("b", *Folder::Open(folder.path(), "-o"), "done");
  EXPECT_THAT(added.status().message(), HasSubstr("b: exists already"));
}

}  // namespace
}  // namespace onnxquant
