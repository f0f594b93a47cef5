#include "lib/text/json_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Refusal(const std::string& text, const JsonRule& rule = {}) {
  const auto json = ParseJson(text, "f.json", rule);
  return json.ok() ? "accepted" : std::string(json.status().message());
}

std::string Nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

TEST(JsonText, ReadsWhatNlohmannReads) {
  const std::string text =
      R"({"a": [1, -2.5e3, true, null, "é\u00e9"], "b": {"a": 18446744073709551615}})";
  EXPECT_EQ(ParseJson(text, "f.json", {}).value(), nlohmann::json::parse(text));
  EXPECT_EQ(ParseJson("\xef\xbb\xbf 3", "f.json", {}).value(), 3);
}

TEST(JsonText, NamesThePlaceOfAMistake) {
  EXPECT_THAT(Refusal("{\"a\": 1,\n \"b\" 2}"),
              StartsWith("f.json:2:6: is not valid JSON: syntax"));
  EXPECT_THAT(Refusal(""), StartsWith("f.json:1:1: is not valid JSON: "));
  EXPECT_THAT(Refusal("[1] 2"), StartsWith("f.json:1:5: is not valid JSON: "));
  EXPECT_THAT(Refusal("[NaN]"), StartsWith("f.json:1:"));
  EXPECT_THAT(Refusal("[\"\xff\"]"), HasSubstr("UTF-8"));
  EXPECT_THAT(Refusal("[1e999]"), HasSubstr("f.json:1:6: is not valid JSON: number overflow"));
}

TEST(JsonText, QuotesNoMoreThanTheStartOfALongMistake) {
  EXPECT_LT(Refusal("[" + std::string(100000, 'x')).size(), 400U);
  EXPECT_LT(Refusal("[\"" + std::string(100000, 'x')).size(), 400U);
}

TEST(JsonText, RefusesNestingBeyondTheBoundHoweverDeep) {
  EXPECT_EQ(Refusal(Nested(limits::kJsonDepth)), "accepted");
  EXPECT_EQ(Refusal(Nested(limits::kJsonDepth + 1)),
            "f.json:1:65: is nested more than 64 levels deep");
  EXPECT_EQ(Refusal(std::string(10'000'000, '[')),
            "f.json:1:65: is nested more than 64 levels deep");
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(Refusal(objects), HasSubstr("is nested more than 64 levels deep"));
}

TEST(JsonText, RefusesMoreValuesThanTheRuleAllows) {
  EXPECT_EQ(Refusal("[1, {\"a\": 2}]", {.values = 4}), "accepted");
  EXPECT_EQ(Refusal("[1, {\"a\": 2}]", {.values = 3}), "f.json:1:12: holds more than 3 values");
}

TEST(JsonText, RefusesAKeyThatStandsTwiceUnlessTheLastOneHolds) {
  const std::string text = R"({"a": {"b": 1}, "c": {"b": 1}, "a": 2})";
  EXPECT_EQ(Refusal(text), "f.json:1:34: 'a' stands twice here");
  EXPECT_EQ(ParseJson(text, "f", {.unique_keys = false}).value()["a"], 2);
}

}  // namespace
}  // namespace onnxquant
