#include "lib/files/target.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

class TargetTest : public ::testing::Test {
 protected:
  std::string ErrorOf(const std::string& name, const TargetRules& rules) const {
    const auto state = CheckTarget(*Opened(temp_.path()), name, rules, {temp_ / "input"});
    return std::string(state.status().message());
  }
  TempFolder temp_;
};

TEST_F(TargetTest, MayBeReplacedByForceWhereItIsAFileOrALinkToOneOrToNothing) {
  temp_.Write("file", "");
  ASSERT_EQ(symlink("file", (temp_ / "link").c_str()), 0);
  ASSERT_EQ(symlink("nowhere", (temp_ / "dangling").c_str()), 0);
  for (const char* name : {"file", "link", "dangling"}) {
    EXPECT_EQ(ErrorOf(name, {.force = true}), "") << name;
    EXPECT_THAT(ErrorOf(name, {}), HasSubstr("exists already; --force replaces it")) << name;
  }
  EXPECT_EQ(ErrorOf("nothing", {}), "");
}

TEST_F(TargetTest, IsNeverAnythingButAFile) {
  ASSERT_EQ(mkfifo((temp_ / "pipe").c_str(), 0600), 0);
  ASSERT_EQ(symlink("pipe", (temp_ / "link to pipe").c_str()), 0);
  ASSERT_EQ(symlink("/dev/null", (temp_ / "link to device").c_str()), 0);
  temp_.Write("folder/x", "");
  ASSERT_EQ(symlink("folder", (temp_ / "link to folder").c_str()), 0);
  const int socket_number = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (temp_ / "socket").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket_number, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(socket_number);
  for (const bool force : {false, true}) {
    const TargetRules rules{.force = force, .update = true};
    EXPECT_THAT(ErrorOf("pipe", rules), HasSubstr("pipe: is a pipe, and only files are ever"));
    EXPECT_THAT(ErrorOf("link to pipe", rules), HasSubstr("is a pipe"));
    EXPECT_THAT(ErrorOf("link to device", rules), HasSubstr("is a device"));
    EXPECT_THAT(ErrorOf("socket", rules), HasSubstr("is a socket"));
    EXPECT_THAT(ErrorOf("folder", rules), HasSubstr("is a folder"));
    EXPECT_THAT(ErrorOf("link to folder", rules), HasSubstr("is a folder"));
    const auto null = CheckTarget(*Opened("/dev"), "null", rules, {});
    EXPECT_THAT(std::string(null.status().message()), HasSubstr("/dev/null: is a device"));
  }
}

TEST_F(TargetTest, IsNoLinkToWhatAProcessHasOpen) {
  temp_.Write("open", "");
  const int file = open((temp_ / "open").c_str(), O_RDONLY);
  const std::string number = absl::StrCat("/proc/self/fd/", file);
  ASSERT_EQ(symlink(number.c_str(), (temp_ / "direct").c_str()), 0);
  ASSERT_EQ(symlink("direct", (temp_ / "onward").c_str()), 0);
  ASSERT_EQ(symlink("open", (temp_ / "ordinary").c_str()), 0);
  for (const char* name : {"direct", "onward"}) {
    EXPECT_THAT(ErrorOf(name, {.force = true}), HasSubstr("what a process has open")) << name;
  }
  EXPECT_EQ(ErrorOf("ordinary", {.force = true}), "");
  close(file);
}

TEST_F(TargetTest, IsNeverAnInputUnderAnyName) {
  temp_.Write("input", "");
  ASSERT_EQ(symlink("input", (temp_ / "soft").c_str()), 0);
  ASSERT_EQ(link((temp_ / "input").c_str(), (temp_ / "hard").c_str()), 0);
  for (const char* name : {"input", "soft", "hard"}) {
    EXPECT_THAT(ErrorOf(name, {.force = true}), HasSubstr("is part of the input")) << name;
  }
}

TEST_F(TargetTest, IsUpdatedWithoutForceUnlessItIsReadOnly) {
  temp_.Write("config", "");
  EXPECT_EQ(ErrorOf("config", {.update = true}), "");
  ASSERT_EQ(chmod((temp_ / "config").c_str(), 0444), 0);
  EXPECT_THAT(ErrorOf("config", {.update = true}), HasSubstr("is read-only"));
  EXPECT_EQ(ErrorOf("config", {.force = true, .update = true}), "");
}

TEST_F(TargetTest, IsAPlainName) {
  for (const char* name : {"../x", "a/b", "", ".", "..", "/x"}) {
    EXPECT_THAT(ErrorOf(name, {.force = true}), HasSubstr("is no plain file name")) << name;
  }
}

}  // namespace
}  // namespace onnxquant
