#include "lib/text/read_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

constexpr TextRule kRule = {
    .kind = ErrorKind::kPolicy, .what = "the note", .remedy = "; write one", .largest = 100};

std::string Refusal(const std::string& path, const TextRule& rule = kRule) {
  const auto text = ReadText(path, rule);
  if (text.ok()) return "accepted";
  EXPECT_EQ(KindOf(text.status()), rule.kind);
  return std::string(text.status().message());
}

TEST(ReadText, ReadsUpToTheLargestSizeAndNotAByteMore) {
  const TempFolder folder;
  const std::string most(100, 'x');
  folder.Write("note", most);
  EXPECT_EQ(ReadText(folder / "note", kRule).value(), most);
  folder.Write("note", most + "x");
  EXPECT_EQ(
      Refusal(folder / "note"),
      (folder / "note") + ": the note is larger than any: found more than 100 bytes; write one");
  folder.Write("note", "");
  EXPECT_EQ(ReadText(folder / "note", kRule).value(), "");
}

TEST(ReadText, RefusesWhatIsNoFile) {
  const TempFolder folder;
  EXPECT_THAT(Refusal(folder / "none"), HasSubstr("none: the note cannot be read: No such file"));
  EXPECT_THAT(Refusal(folder.path()), HasSubstr(": is a folder; the note is a regular file"));
  EXPECT_THAT(Refusal("/dev/zero"), HasSubstr("/dev/zero: is a device; the note is a regular"));
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(Refusal(folder / "pipe"), HasSubstr("pipe: is a pipe; the note is a regular file"));
  EXPECT_THAT(Refusal(std::string("a\0b", 3)), HasSubstr("holds a NUL"));
}

TEST(ReadText, ReadsAPipeToItsEndWhereTheRuleAllowsIt) {
  TextRule rule = kRule;
  rule.pipes = true;
  const TempFolder folder;
  const std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(ReadText(path, rule).value(), "") << "nobody writes to it";
  for (const std::size_t size : {100U, 101U}) {
    // Keeps what was written when the writer leaves early.
    const int holder = open(path.c_str(), O_RDONLY | O_NONBLOCK);
    const int writer = open(path.c_str(), O_WRONLY);
    std::thread later([writer, size] {
      const std::string half(size - 50, 'y');
      ASSERT_EQ(write(writer, half.data(), half.size()), static_cast<ssize_t>(half.size()));
      ASSERT_EQ(write(writer, half.data(), 50), 50);
      close(writer);
    });
    const auto text = ReadText(path, rule);
    later.join();
    close(holder);
    EXPECT_EQ(text.ok(), size == 100) << text.status();
    EXPECT_EQ(text.value_or("").size(), size == 100 ? 100U : 0U);
  }
}

TEST(ReadText, CountsLinesAndColumnsFromOne) {
  const std::string text = "ab\ncd\n";
  EXPECT_EQ(PlaceName("f", text, 0), "f:1:1");
  EXPECT_EQ(PlaceName("f", text, 2), "f:1:3");
  EXPECT_EQ(PlaceName("f", text, 4), "f:2:2");
  EXPECT_EQ(PlaceName("f", text, 99), "f:3:1");
}

}  // namespace
}  // namespace onnxquant
