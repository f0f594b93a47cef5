#include "lib/files/temporary_folder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace onnxquant {
namespace {

TEST(TemporaryFolderTest, GoesWithAllThatLiesInIt) {
  std::string path;
  {
    const auto folder = TemporaryFolder::Create("do without");
    ASSERT_TRUE(folder.ok()) << folder.status();
    path = folder->path();
    std::ofstream(path + "/file") << "text";
    EXPECT_TRUE(std::filesystem::is_regular_file(path + "/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TemporaryFolderTest, MovesWithoutBeingRemoved) {
  auto folder = TemporaryFolder::Create("do without");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::string path = folder->path();
  const TemporaryFolder moved = *std::move(folder);
  EXPECT_EQ(moved.path(), path);
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

TEST(TemporaryFolderTest, SaysWhatToDoWhereNoneCanBeMade) {
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  setenv("TMPDIR", "/nowhere/at/all", 1);
  const auto folder = TemporaryFolder::Create("give --no-confirm");
  kept.empty() ? unsetenv("TMPDIR") : setenv("TMPDIR", kept.c_str(), 1);
  ASSERT_FALSE(folder.ok());
  EXPECT_NE(folder.status().message().find("set TMPDIR to one that can be written to, or give "
                                           "--no-confirm"),
            std::string::npos)
      << folder.status();
}

}  // namespace
}  // namespace onnxquant
