#include "lib/files/input_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class InputFileTest : public ::testing::Test {
 protected:
  std::string ErrorOf(const std::string& path) {
    const auto file = InputFile::Open(path);
    if (file.ok()) return "opened";
    EXPECT_EQ(KindOf(file.status()), ErrorKind::kModel);
    EXPECT_THAT(std::string(file.status().message()), HasSubstr(path));
    return std::string(file.status().message());
  }

  TempFolder folder_;
  std::string path_ = folder_ / "file";
};

TEST_F(InputFileTest, KnowsTheOpenedFilesOwnPathBehindLinks) {
  folder_.Write("file", "some bytes");
  fs::create_symlink("file", folder_ / "link");
  fs::create_symlink("link", folder_ / "further");
  const auto file = InputFile::Open(folder_ / "further");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->path(), folder_ / "further");
  EXPECT_EQ(file->real_path(), fs::canonical(path_).string());
  EXPECT_EQ(file->stamp().size, 10U);
}

TEST_F(InputFileTest, NamesNoPathForAFileThatIsGone) {
  folder_.Write("file", "some bytes");
  const int kept = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  fs::remove(path_);
  const auto file = InputFile::Open("/proc/self/fd/" + std::to_string(kept));
  close(kept);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->real_path(), "");
}

TEST_F(InputFileTest, RefusesWhatIsNoFileAndSaysWhatItIs) {
  EXPECT_THAT(ErrorOf(path_), HasSubstr("cannot be opened: No such file"));
  EXPECT_THAT(ErrorOf(folder_.path()), HasSubstr("is not a regular file but a folder"));
  EXPECT_THAT(ErrorOf("/dev/zero"), HasSubstr("is not a regular file but a device"));
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(ErrorOf(folder_ / "pipe"), HasSubstr("is not a regular file but a pipe"));
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = folder_ / "socket";
  ASSERT_LT(name.size(), sizeof(address.sun_path));
  std::copy(name.begin(), name.end(), address.sun_path);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_THAT(ErrorOf(name), HasSubstr("is not a regular file but a socket"));
  close(listener);
  fs::create_symlink("nowhere", folder_ / "dangling");
  EXPECT_THAT(ErrorOf(folder_ / "dangling"), HasSubstr("cannot be opened: No such file"));
  fs::create_symlink("circle", folder_ / "circle");
  EXPECT_THAT(ErrorOf(folder_ / "circle"), HasSubstr("cannot be opened: Too many levels"));
}

TEST_F(InputFileTest, GivesAWriteRightAfterItAnotherStamp) {
  for (int i = 0; i < 50; ++i) {
    folder_.Write("file", "some bytes");
    const auto file = InputFile::Open(path_);
    ASSERT_TRUE(file.ok()) << file.status();
    folder_.Write("file", "same bytes");
    const auto now = StampAt(path_);
    ASSERT_TRUE(now.has_value());
    EXPECT_TRUE(now->SameFile(file->stamp()));
    EXPECT_NE(std::pair(now->written.tv_sec, now->written.tv_nsec),
              std::pair(file->stamp().written.tv_sec, file->stamp().written.tv_nsec));
  }
}

TEST_F(InputFileTest, HoldsOnlyAShareOfTheDescriptors) {
  folder_.Write("file", "some bytes");
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few = {32, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<InputFile> files;
  for (int i = 0; i < 64; ++i) {
    auto file = InputFile::Open(path_);
    EXPECT_TRUE(file.ok()) << i << ": " << file.status();
    if (!file.ok()) break;
    file->CloseUnlessFew();
    files.push_back(*std::move(file));
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(files.size(), 64U);
  const auto open = std::count_if(files.begin(), files.end(),
                                  [](const InputFile& file) { return file.descriptor() >= 0; });
  EXPECT_GT(open, 0);
  EXPECT_LE(open, 8);
}

}  // namespace
}  // namespace onnxquant
