#include "lib/numpy/zip.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/numpy_files.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// Every entry's content, or what is wrong with the archive.
std::string Contents(const std::string& file) {
  const auto entries = ReadZip("x.npz", file);
  if (!entries.ok()) {
    EXPECT_EQ(KindOf(entries.status()), ErrorKind::kUsage);
    return std::string(entries.status().message());
  }
  std::string all;
  for (const ZipEntry& entry : *entries) {
    const auto content = Unpack("x.npz", entry);
    all +=
        content.ok() ? entry.name + "=" + *content + ";" : std::string(content.status().message());
  }
  return all;
}

TEST(ZipTest, ReadsStoredAndDeflatedEntries) {
  EXPECT_EQ(Contents(ZipFile({{"a", "one"}, {"b", std::string(40, 'x'), true}})),
            "a=one;b=" + std::string(40, 'x') + ";");
  EXPECT_EQ(Contents(ZipFile({})), "");
  EXPECT_EQ(Contents(ZipFile({{"a", ""}, {"b", "", true}})), "a=;b=;");
}

TEST(ZipTest, ReadsSizesOf64Bits) {
  EXPECT_EQ(Contents(ZipFile({{"a", "one"}, {"b", "two", true}}, true)), "a=one;b=two;");
}

TEST(ZipTest, FindsTheDirectoryBeforeAComment) {
  std::string file = ZipFile({{"a", "one"}});
  file[file.size() - 2] = 5;
  EXPECT_EQ(Contents(file + "hello"), "a=one;");
}

TEST(ZipTest, RefusesAnArchiveThatIsCutOff) {
  const std::string file = ZipFile({{"a", "one"}, {"b", "two", true}});
  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_THAT(Contents(file.substr(0, length)), HasSubstr("x.npz: ")) << length;
  }
  EXPECT_THAT(Contents("PK"), HasSubstr("is no zip archive, or one that is cut off"));
  // Its beginning is missing.
  EXPECT_THAT(Contents(file.substr(4)), HasSubstr("x.npz: is a damaged zip archive"));
}

TEST(ZipTest, RefusesSizesThatTheFileCannotHold) {
  ZippedFile bomb{"a", std::string(100, 'x'), true};
  bomb.size = std::uint64_t{1} << 40;
  EXPECT_THAT(Contents(ZipFile({bomb}, true)), HasSubstr("says that they unpack to 1099511627776"));
  bomb.size = 99;
  EXPECT_THAT(Contents(ZipFile({bomb})), HasSubstr("'a' does not unpack to the 99 bytes"));
  bomb.size = 101;
  EXPECT_THAT(Contents(ZipFile({bomb})), HasSubstr("'a' does not unpack to the 101 bytes"));
  ZippedFile stored{"a", "xx"};
  stored.size = 3;
  EXPECT_THAT(Contents(ZipFile({stored})), HasSubstr("has 2 bytes, and says"));
}

TEST(ZipTest, HoldsTheContentAgainstItsChecksum) {
  ZippedFile wrong{"a", "one"};
  wrong.crc = 7;
  EXPECT_THAT(Contents(ZipFile({wrong})), HasSubstr("the checksum of 'a' is not that"));
  wrong.deflated = true;
  EXPECT_THAT(Contents(ZipFile({wrong})), HasSubstr("the checksum of 'a' is not that"));
}

TEST(ZipTest, SaysWhatItCannotUnpack) {
  ZippedFile file{"a\x1b", "one"};
  file.method = 12;
  EXPECT_THAT(Contents(ZipFile({file})), HasSubstr("'a\\x1b' is packed by method 12; numpy.savez"));
  file.flags = 1;
  EXPECT_THAT(Contents(ZipFile({file})), HasSubstr("is encrypted"));
}

TEST(ZipTest, TellsEveryChangedByteOrReadsWhatWasThere) {
  const std::string file = ZipFile({{"a", "one"}, {"b", std::string(30, 'x'), true}}, true);
  for (std::size_t at = 0; at < file.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      const std::string found = Contents(changed);
      EXPECT_TRUE(found.find("x.npz: ") != std::string::npos ||
                  found.find("=one;") != std::string::npos)
          << at << ": " << found;
    }
  }
}

}  // namespace
}  // namespace onnxquant
