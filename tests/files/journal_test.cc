#include "lib/files/journal.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/files/own_names.h"
#include "tests/files/writing.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// The text with a part replaced, and a checksum that fits.
std::string Forged(const std::string& text, const std::string& from, const std::string& to) {
  std::string forged = absl::StrReplaceAll(text.substr(0, text.rfind("sum ")), {{from, to}});
  const std::uint64_t sum = Checksum(forged);
  return absl::StrCat(forged, "sum ", absl::Hex(sum, absl::kZeroPad16), "\n");
}

std::string ErrorOf(const std::string& text) {
  const auto journal = ReadJournal(text, "id");
  return journal.ok() ? "" : std::string(journal.status().message());
}

class JournalTest : public ::testing::Test {
 protected:
  TempFolder temp_;
  Journal journal_ = MakeSet(temp_).journal;
};

TEST_F(JournalTest, IsReadBackAsItWasWritten) {
  journal_.folders.push_back({"/a b\n\"\xff", "../x"});
  journal_.entries[1].folder = 1;
  journal_.entries[1].name = "with space\n\\ and \xc3\xbc";
  const auto read = ReadJournal(WriteJournal(journal_), "id");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, "id");
  EXPECT_EQ(read->folders[0].absolute, journal_.folders[0].absolute);
  EXPECT_EQ(read->folders[0].relative, "../x");
  ASSERT_EQ(read->entries.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read->entries[i].action, journal_.entries[i].action);
    EXPECT_EQ(read->entries[i].folder, journal_.entries[i].folder);
    EXPECT_EQ(read->entries[i].name, journal_.entries[i].name);
    EXPECT_EQ(read->entries[i].staged, journal_.entries[i].staged);
    EXPECT_EQ(read->entries[i].aside, journal_.entries[i].aside);
    EXPECT_EQ(read->entries[i].made, journal_.entries[i].made);
    EXPECT_EQ(read->entries[i].old, journal_.entries[i].old);
  }
}

TEST_F(JournalTest, IsRefusedWhereverItWasCutOrAByteWasChanged) {
  const std::string text = WriteJournal(journal_);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_NE(ErrorOf(text.substr(0, i)), "") << i;
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_NE(ErrorOf(changed), "") << i;
  }
  EXPECT_NE(ErrorOf(text + "more"), "");
}

TEST_F(JournalTest, NamesNothingOutsideItsFolders) {
  const std::string text = WriteJournal(journal_);
  ASSERT_EQ(ErrorOf(Forged(text, "fresh", "other")), "");
  for (const char* name : {"../fresh", "/etc/passwd", "..", ".", "a\\000b", "a/b", "a b", "\\q"}) {
    EXPECT_THAT(ErrorOf(Forged(text, "fresh", name)), HasSubstr("is no entry of a set")) << name;
  }
  EXPECT_THAT(ErrorOf(Forged(text, "fresh", NewTemporary())), HasSubstr("is no entry"));
  EXPECT_THAT(ErrorOf(Forged(text, "fresh", "kept")), HasSubstr("a second time"));
  EXPECT_THAT(ErrorOf(Forged(text, "place 0", "place 1")), HasSubstr("is no entry"));
  EXPECT_THAT(ErrorOf(Forged(text, "place 0", "erase 0")), HasSubstr("is no entry"));
}

TEST_F(JournalTest, MovesOnlyTemporaryFiles) {
  const std::string text = WriteJournal(journal_);
  for (const std::string& own : {journal_.entries[0].staged, journal_.entries[0].aside,
                                 journal_.entries[1].staged, journal_.entries[2].aside}) {
    for (const char* name : {"model.onnx", "../x", "-"}) {
      EXPECT_THAT(ErrorOf(Forged(text, own, name)), HasSubstr("is no entry")) << own << name;
    }
  }
}

TEST_F(JournalTest, SaysWhatItIsNot) {
  const std::string text = WriteJournal(journal_);
  EXPECT_THAT(ErrorOf("hello"), HasSubstr("its checksum does not fit"));
  EXPECT_THAT(ErrorOf(Forged(text, "journal 1", "journal 2")),
              HasSubstr("begins with 'onnxquant journal 2', expected 'onnxquant journal 1'"));
}

// The checksum is no secret: whoever makes a record can seal whatever is in it.
std::string SealedAsItIs(const std::string& text) {
  return absl::StrCat(text, "sum ", absl::Hex(Checksum(text), absl::kZeroPad16), "\n");
}

TEST_F(JournalTest, HasLinesBeforeItsSum) {
  for (const char* text : {"", "x", "onnxquant journal 1", "onnxquant pointer 1"}) {
    EXPECT_THAT(ErrorOf(SealedAsItIs(text)), HasSubstr("its checksum does not fit")) << text;
    EXPECT_FALSE(ReadPointer(SealedAsItIs(text)).ok()) << text;
  }
  EXPECT_EQ(ErrorOf(SealedAsItIs("onnxquant journal 1\n")), "");
  EXPECT_FALSE(ReadPointer(SealedAsItIs("onnxquant pointer 1\n")).ok());
}

TEST(PointerTest, IsReadBackAsItWasWritten) {
  const auto read = ReadPointer(WritePointer({"/a b\n", ".."}));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->absolute, "/a b\n");
  EXPECT_EQ(read->relative, "..");
  EXPECT_FALSE(ReadPointer("").ok());
  EXPECT_FALSE(ReadPointer(WriteJournal({})).ok());
}

}  // namespace
}  // namespace onnxquant
