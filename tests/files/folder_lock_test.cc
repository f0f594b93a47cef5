#include "lib/files/folder_lock.h"

#include <sys/file.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(FolderLock, IsOnePerFolderUnderWhateverNames) {
  const TempFolder temp;
  temp.Write("inner/x", "");
  const std::vector<FolderPtr> folders = {Opened(temp.path()), Opened(temp / "inner"),
                                          Opened(temp / "inner/..")};
  const auto locks = FolderLock::LockAll(folders, {});
  ASSERT_TRUE(locks.ok());
  ASSERT_THAT(*locks, SizeIs(2));
  EXPECT_TRUE(locks->front().held());
  EXPECT_LT(locks->front().folder()->key(), locks->back().folder()->key());
}

TEST(FolderLock, KeepsOthersOutUntilItGoes) {
  const TempFolder temp;
  const FolderPtr folder = Opened(temp.path());
  {
    const auto locks = FolderLock::LockAll({&folder, 1}, {});
    ASSERT_TRUE(locks.ok());
    EXPECT_THAT(FolderLock::TryAll({&folder, 1}), IsEmpty());
  }
  EXPECT_THAT(FolderLock::TryAll({&folder, 1}), SizeIs(1));
}

TEST(FolderLock, SaysWhatItWaitsForAndStopsWhenCancelled) {
  const TempFolder temp;
  const FolderPtr folder = Opened(temp.path());
  const auto held = FolderLock::LockAll({&folder, 1}, {});
  ASSERT_TRUE(held.ok());
  std::atomic<bool> cancelled{false};
  std::string said;
  const auto waiting = FolderLock::LockAll(
      {&folder, 1}, {.cancelled = &cancelled, .notice = [&](const std::string& sentence) {
                       said = sentence;
                       cancelled = true;
                     }});
  EXPECT_EQ(KindOf(waiting.status()), ErrorKind::kCancelled);
  EXPECT_THAT(said, HasSubstr("waiting for another run"));
}

TEST(FolderLock, IsTakenWhenTheOtherRunEnds) {
  const TempFolder temp;
  const FolderPtr folder = Opened(temp.path());
  auto held = FolderLock::LockAll({&folder, 1}, {});
  std::atomic<bool> taken{false};
  std::thread other([&] { taken = FolderLock::LockAll({&folder, 1}, {}).ok(); });
  EXPECT_FALSE(taken);
  held->clear();
  other.join();
  EXPECT_TRUE(taken);
}

}  // namespace
}  // namespace onnxquant
