#include "lib/files/mapped_file.h"

#include <sys/resource.h>

#include <chrono>
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

class MappedFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { folder_.Write("file", text); }
  static std::string TextOf(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }

  TempFolder folder_;
  std::string path_ = folder_ / "file";
};

TEST_F(MappedFileTest, ShowsTheBytesAndOutlivesBeingMoved) {
  Write("some bytes");
  auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  const MappedFile moved = *std::move(file);
  EXPECT_EQ(TextOf(moved), "some bytes");
  EXPECT_TRUE(moved.CheckUnchanged().ok());
}

TEST_F(MappedFileTest, MapsAnEmptyFile) {
  Write("");
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->bytes().empty());
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_THAT(std::string(MappedFile::Open(path_).status().message()), HasSubstr("cannot be open"));
  EXPECT_THAT(std::string(MappedFile::Open(folder_.path()).status().message()),
              HasSubstr("is not a regular file"));
}

TEST_F(MappedFileTest, SeesThatTheFileWasWrittenTo) {
  Write("some bytes");
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  const auto expect_changed = [&] {
    const absl::Status status = file->CheckUnchanged();
    EXPECT_EQ(KindOf(status), ErrorKind::kModel);
    EXPECT_THAT(std::string(status.message()), HasSubstr("was changed after it was read"));
  };
  const fs::file_time_type before = fs::last_write_time(path_);
  fs::resize_file(path_, 3);
  fs::last_write_time(path_, before);
  expect_changed();
  fs::resize_file(path_, 10);
  fs::last_write_time(path_, before + std::chrono::milliseconds(1));
  expect_changed();
}

TEST_F(MappedFileTest, HoldsNoDescriptor) {
  Write("some bytes");
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few = {32, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<MappedFile> files;
  for (int i = 0; i < 64; ++i) {
    auto file = MappedFile::Open(path_);
    EXPECT_TRUE(file.ok()) << i << ": " << file.status();
    if (!file.ok()) break;
    files.push_back(*std::move(file));
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(files.size(), 64U);
}

TEST_F(MappedFileTest, DoesNotMindAFileThatIsPutInItsPlace) {
  Write("some bytes");
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  folder_.Write("new", "others");
  fs::rename(folder_ / "new", path_);
  EXPECT_TRUE(file->CheckUnchanged().ok());
  EXPECT_EQ(TextOf(*file), "some bytes");
  fs::remove(path_);
  EXPECT_TRUE(file->CheckUnchanged().ok());
}

}  // namespace
}  // namespace onnxquant
