#include "lib/files/litter.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/files/staged_file.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> RemoveIn(const TempFolder& temp, bool locked) {
  std::vector<std::string> removed;
  RemoveLitter(*Opened(temp.path()), locked, removed);
  return removed;
}

// A name that a process chose which has ended since.
std::string NameOfADeadProcess() {
  const auto own = ParseOwnName(NewTemporary());
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return absl::StrCat(".onnxquant-", own->host, "-", child, "-0123456789abcdef.tmp");
}

TEST(Litter, IsWhatNobodyHasLocked) {
  const TempFolder temp;
  const auto staged = StagedFile::Create(Opened(temp.path()), "", true);
  temp.Write(NewTemporary(), "");
  ASSERT_THAT(temp.Names(), SizeIs(2));
  EXPECT_THAT(RemoveIn(temp, true), SizeIs(1));
  EXPECT_THAT(temp.Names(), SizeIs(1));
}

TEST(Litter, IsOnlyWhatADeadProcessLeftWhereLocksSayNothing) {
  const TempFolder temp;
  temp.Write(NewTemporary(), "ours, and we live");
  const std::string dead = NameOfADeadProcess();
  temp.Write(dead, "");
  EXPECT_THAT(RemoveIn(temp, false), ElementsAre(temp / dead));
  EXPECT_THAT(temp.Names(), SizeIs(1));
}

TEST(Litter, IsNeverAnythingElse) {
  const TempFolder temp;
  for (const char* name : {"model.onnx", ".model.onnx.1-2.tmp", ".onnxquant-x.tmp", "x.tmp"}) {
    temp.Write(name, "precious");
  }
  temp.Write(NameOfOwn(OwnKind::kJournal, MakeId()), "");
  ASSERT_EQ(mkdir((temp / NewTemporary()).c_str(), 0700), 0);
  ASSERT_EQ(mkfifo((temp / NewTemporary()).c_str(), 0600), 0);
  EXPECT_THAT(RemoveIn(temp, true), IsEmpty());
  EXPECT_THAT(temp.Names(), SizeIs(7));
}

TEST(Litter, IsALinkThatWasReplacedButNotWhatItLeadsTo) {
  const TempFolder temp;
  temp.Write("precious", "");
  ASSERT_EQ(symlink("precious", (temp / NewTemporary()).c_str()), 0);
  EXPECT_THAT(RemoveIn(temp, true), SizeIs(1));
  EXPECT_THAT(temp.Names(), ElementsAre("precious"));
}

}  // namespace
}  // namespace onnxquant
