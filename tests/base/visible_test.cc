#include "lib/base/visible.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(Visible, LeavesTextsAsTheyAre) {
  for (const char* text : {"", "plain", "é ≈ 層 🙂", "C:\\new\\x41", "a b"}) {
    EXPECT_EQ(Visible(text), text);
    EXPECT_EQ(ValidUtf8Prefix(text), std::string(text).size());
  }
}

TEST(Visible, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Visible("a\x1b[2Jb\a"), "a\\x1b[2Jb\\x07");
  EXPECT_EQ(Visible("a\nb\tc\rd\x7f"), "a\\nb\\tc\\rd\\x7f");
  EXPECT_EQ(Visible(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Visible("\xc2\x9b"
                    "2J"),
            "\\x9b2J");                                   // a control sequence in one character
  EXPECT_EQ(Visible("\u202egnp.exe"), "\\u202egnp.exe");  // turns the direction
  EXPECT_EQ(Visible("a\u2028b\u2066"), "a\\u2028b\\u2066");
}

TEST(Visible, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(Visible("a\xff"
                    "b"),
            "a\\xffb");
  EXPECT_EQ(Visible("\xc3"), "\\xc3");
  EXPECT_EQ(Visible("\xc0\x80"), "\\xc0\\x80");  // longer than needed
  EXPECT_EQ(Visible("\xe0\x80\x80"), "\\xe0\\x80\\x80");
  EXPECT_EQ(Visible("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(Visible("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond Unicode
  EXPECT_EQ(ValidUtf8Prefix("é\xff"), 2U);
}

TEST(Visible, ChangesNothingTheSecondTime) {
  const std::string once = Visible("a\n\x1b\xff\\");
  EXPECT_EQ(Visible(once), once);
}

TEST(Visible, CutsLongTextsBetweenCharacters) {
  EXPECT_EQ(VisibleStart("abc", 3), "abc");
  EXPECT_EQ(VisibleStart("abcd", 3), "abc…");
  EXPECT_EQ(VisibleStart("abé!", 3), "ab…");
}

}  // namespace
}  // namespace onnxquant
