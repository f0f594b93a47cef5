#include "lib/files/mapped_file.h"

#include <sys/resource.h>

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
using ::testing::EndsWith;
using ::testing::HasSubstr;

class MappedFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { folder_.Write("file", text); }
  static std::string TextOf(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }
  static void ExpectChanged(const MappedFile& file, const std::string& how) {
    const absl::Status status = file.CheckUnchanged();
    EXPECT_EQ(KindOf(status), ErrorKind::kModel);
    EXPECT_THAT(std::string(status.message()), HasSubstr("was changed after it was read"));
    EXPECT_THAT(std::string(status.message()), EndsWith(how));
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
  const fs::file_time_type before = fs::last_write_time(path_);
  fs::resize_file(path_, 3);
  fs::last_write_time(path_, before);
  ExpectChanged(*file, "it had 10 bytes, and has 3");
  Write("same bytes");
  ExpectChanged(*file, "it was written to");
  fs::last_write_time(path_, before);
  ExpectChanged(*file, "it was written to, or its attributes were set");
}

TEST_F(MappedFileTest, SurvivesAFileThatIsShortenedAndSaysHow) {
  const std::string text(5 * 4096, 'x');
  Write(text);
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  fs::resize_file(path_, 4096);
  EXPECT_EQ(TextOf(*file), text.substr(0, 4096) + std::string(4 * 4096, '\0'));
  ExpectChanged(*file, "it had 20480 bytes, and has 4096");
}

TEST_F(MappedFileTest, SeesWhatHappenedToAFileThatIsGone) {
  // What a conversion has read when the folder is cleaned up meanwhile.
  Write(std::string(2 * 4096, 'x'));
  const auto shortened = MappedFile::Open(path_);
  ASSERT_TRUE(shortened.ok()) << shortened.status();
  fs::resize_file(path_, 3);
  fs::remove(path_);
  ExpectChanged(*shortened, "it had 8192 bytes, and has 3");
  Write("some bytes");
  const auto written = MappedFile::Open(path_);
  ASSERT_TRUE(written.ok()) << written.status();
  Write("same bytes");
  fs::rename(path_, folder_ / "elsewhere");
  ExpectChanged(*written, "it was written to");
  Write("other text");
  ExpectChanged(*written, "it was written to");
}

TEST_F(MappedFileTest, MindsAFileThatIsGoneWhereItCannotBeLookedAt) {
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
  ASSERT_EQ(files.size(), 64U);
  EXPECT_TRUE(files.back().CheckUnchanged().ok());
  fs::remove(path_);
  EXPECT_TRUE(files.front().CheckUnchanged().ok());
  ExpectChanged(files.back(), "it is no longer there, and what was opened cannot be looked at");
}

TEST_F(MappedFileTest, DoesNotMindAFileThatIsPutInItsPlace) {
  Write("some bytes");
  const auto file = MappedFile::Open(path_);
  ASSERT_TRUE(file.ok()) << file.status();
  fs::create_hard_link(path_, folder_ / "second");
  EXPECT_TRUE(file->CheckUnchanged().ok()) << file->CheckUnchanged();
  folder_.Write("new", "others");
  fs::rename(folder_ / "new", path_);
  EXPECT_TRUE(file->CheckUnchanged().ok()) << file->CheckUnchanged();
  EXPECT_EQ(TextOf(*file), "some bytes");
  fs::remove(path_);
  fs::remove(folder_ / "second");
  EXPECT_TRUE(file->CheckUnchanged().ok()) << file->CheckUnchanged();
}

}  // namespace
}  // namespace onnxquant
