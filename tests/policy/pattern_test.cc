#include "lib/policy/pattern.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

bool Finds(const std::string& pattern, const std::string& text) {
  const auto compiled = Pattern::Compile(pattern);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() && compiled->IsFoundIn(text);
}

std::string Refusal(const std::string& pattern) {
  const auto compiled = Pattern::Compile(pattern);
  EXPECT_EQ(KindOf(compiled.status()), ErrorKind::kPolicy);
  return std::string(compiled.status().message());
}

TEST(Pattern, IsFoundAnywhere) {
  EXPECT_TRUE(Finds("layers\\.[1-3]/", "/model/layers.2/q_proj"));
  EXPECT_FALSE(Finds("layers\\.[1-3]/", "/model/layers.12/q_proj"));
  EXPECT_TRUE(Finds("^/a: b$", "/a: b"));
  EXPECT_FALSE(Finds("^b", "ab"));
  EXPECT_TRUE(Finds("^(q|k|v)_proj\\b.{2,3}\\d$", "q_proj.x1"));
  EXPECT_TRUE(Finds("^a.b$", "aéb"));
  EXPECT_FALSE(Finds("a.b", "a\nb"));
}

TEST(Pattern, SearchesLongNamesInBoundedTimeAndMemory) {
  const std::string name(1'000'000, 'a');
  EXPECT_FALSE(Finds("(a+)+$", name + "b"));
  EXPECT_FALSE(Finds("(a|aa)+$", name + "b"));
  EXPECT_FALSE(Finds("^(.*a){20}b$", name));
  EXPECT_TRUE(Finds("(x|.)*", name));
  EXPECT_TRUE(Finds("[ab]*a[ab]{200}$", name));
}

TEST(Pattern, SaysWhatItsSyntaxDoesNotHave) {
  for (const char* pattern : {"(a)\\1", "(?=a)", "(?!a)b", "(?<=a)b", "(?<!a)b"}) {
    EXPECT_THAT(Refusal(pattern), HasSubstr("the syntax is RE2's, which has no back references"))
        << pattern;
  }
  EXPECT_THAT(Refusal("("), HasSubstr("'(' is no valid regular expression: missing )"));
}

TEST(Pattern, RefusesWhatTakesTooMuchToCompile) {
  for (const char* pattern :
       {"(a{1000}){1000}", "((((a{100}){100}){100}){100})", "a{2000}", "(\\pL{500}){2}"}) {
    EXPECT_THAT(Refusal(pattern), HasSubstr("; repeat less, or split it")) << pattern;
  }
  const auto longest = static_cast<std::size_t>(limits::kRegexBytes);
  EXPECT_TRUE(Pattern::Compile(std::string(longest, 'a')).ok());
  EXPECT_THAT(Refusal(std::string(longest + 1, 'a')), HasSubstr("has 4097 bytes; at most 4096"));
  EXPECT_THAT(Refusal(std::string(longest, '(')), HasSubstr("is no valid regular expression"));
}

}  // namespace
}  // namespace onnxquant
