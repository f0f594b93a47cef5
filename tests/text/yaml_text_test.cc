#include "lib/text/yaml_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr YamlRule kRule = {.what = "a note", .largest = 1 << 20, .nodes = 1000, .depth = 4};

std::string Refusal(const std::string& text, const YamlRule& rule = kRule) {
  const auto node = ParseYaml(text, "f", rule);
  if (node.ok()) return "accepted";
  EXPECT_EQ(KindOf(node.status()), ErrorKind::kPolicy);
  return std::string(node.status().message());
}

TEST(YamlText, ReadsOneDocument) {
  for (const char* text : {"a: 1", "---\na: 1\n...\n", "%YAML 1.2\n---\na: 1\n",
                           "\xef\xbb\xbf"
                           "a: 1",
                           "# c\r\na: 1\r\n", "a:\t1\n", "{a: 1} # c", "--- \na: 1\n...\n# c\n"}) {
    const auto node = ParseYaml(text, "f", kRule);
    ASSERT_TRUE(node.ok()) << text << ": " << node.status();
    EXPECT_EQ((*node)["a"].Scalar(), "1") << text;
  }
  EXPECT_EQ(ParseYaml("[&a x, *a, é]", "f", kRule).value()[1].Scalar(), "x");
}

TEST(YamlText, RefusesWhateverStandsBehindTheDocument) {
  EXPECT_EQ(Refusal("a: 1\n---\nb: 2\n"),
            "f:2:1: a second document starts here; a note is one document");
  EXPECT_EQ(Refusal("{a: 1}, b"),
            "f:1:7: found ', b' behind the end of a note, which is one mapping");
  for (const char* text :
       {",", ", ,", "{a: 1}}, b: 2", "[a], [b]", "a: 1\n...\n, b", "{a: 1} {b: 1}", "{a: 1}\n]",
        "---\n,", "--- ,\n---\n,", "a: 1\n--- b\n"}) {
    EXPECT_THAT(Refusal(text), StartsWith("f:")) << text;
  }
}

TEST(YamlText, CountsColumnsWithoutWhatTheCallerHasPutBeforeTheText) {
  YamlRule rule = kRule;
  rule.shift = 1;
  EXPECT_THAT(Refusal("{a: 1}, b}", rule), StartsWith("f:1:6: found ', b}'"));
  EXPECT_THAT(Refusal("{a: [}", rule), StartsWith("f:1:5: not valid YAML"));
}

TEST(YamlText, RefusesNestingBeyondTheRuleHoweverDeep) {
  EXPECT_EQ(Refusal("[[[[]]]]"), "accepted");
  EXPECT_EQ(Refusal("[[[[[]]]]]"), "f:1:5: is nested deeper than a note (4 levels)");
  for (const char* piece : {"[", "{", "{a: ", "- ", "? ", "&a [", "!t [", "[a, {b: "}) {
    std::string text;
    while (text.size() < 200'000) text += piece;
    EXPECT_THAT(Refusal(text), HasSubstr("is nested deeper than a note")) << piece;
  }
  std::string indented;
  for (std::size_t i = 0; i < 1200; ++i) indented += std::string(i, ' ') + "a:\n";
  EXPECT_THAT(Refusal(indented), HasSubstr("is nested deeper than a note"));
}

TEST(YamlText, TakesLongLinesOfDashesAndBlanksForWhatTheyAre) {
  EXPECT_EQ(Refusal("a: '" + std::string(50'000, '-') + "'\n"), "accepted");
  EXPECT_EQ(Refusal("a: b" + std::string(50'000, ' ') + "# -\n"), "accepted");
  std::string list = "[";
  for (int i = 0; i < 900; ++i) list += "layers-0-norm - x, ";
  EXPECT_EQ(Refusal(list + "]"), "accepted");
}

TEST(YamlText, CountsAnAliasAsWhatItStandsFor) {
  std::string laughs = "a0: &a0 [x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before +
              ", " + before + "]\n";
  }
  EXPECT_THAT(Refusal(laughs), HasSubstr("has more than 1000 nodes, each alias counted"));
  const std::string word(50'000, 'x');
  std::string words = "[&a " + word;
  for (int i = 0; i < 30; ++i) words += ", *a";
  EXPECT_THAT(Refusal(words + "]"), HasSubstr("with its aliases written out, larger than 1048576"));
  EXPECT_THAT(Refusal("a: &a [*a]"), HasSubstr("f:1:8: an alias stands within what it stands for"));
  EXPECT_THAT(Refusal("a: &a {b: *a}"), HasSubstr("stands within what it stands for"));
  EXPECT_THAT(Refusal("a: *b"), HasSubstr("f:1:4: not valid YAML"));
}

TEST(YamlText, RefusesWhatIsNoText) {
  EXPECT_EQ(Refusal(std::string("a: \0", 4)),
            "f:1:4: found the control character \\x00; a note is UTF-8 text");
  EXPECT_EQ(Refusal("a: 1\nb: \x1b[31m"),
            "f:2:4: found the control character \\x1b; a note is UTF-8 text");
  EXPECT_EQ(Refusal("a: \xff"),
            "f:1:4: found the byte \\xff, which is no UTF-8; a note is UTF-8 text");
  EXPECT_THAT(Refusal("\xff\xfe"
                      "a\0:\0"),
              HasSubstr("f:1:1: found the byte \\xff"));
  EXPECT_EQ(Refusal("a: \"\\0\""), "f:1:4: found a text that holds a NUL");
}

TEST(YamlText, RefusesNothingAndTooMuch) {
  for (const char* text : {"", "\n", "# c\n", "---\n", "...\n", "~", "null"}) {
    EXPECT_EQ(Refusal(text), "f: is empty; expected a note") << text;
  }
  EXPECT_THAT(Refusal(std::string((1 << 20) + 1, ' ')), HasSubstr("is larger than a note"));
  std::string many = "[";
  for (int i = 0; i < 1001; ++i) many += "a,";
  EXPECT_THAT(Refusal(many + "]"), HasSubstr("has more than 1000 nodes"));
}

}  // namespace
}  // namespace onnxquant
