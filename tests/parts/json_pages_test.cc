#include "lib/parts/json_pages.h"

#include <string>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using nlohmann::json;

TEST(ToPage, PutsShortThingsOnOneLine) {
  EXPECT_EQ(ToPage({{"b", 1}, {"a", "x"}}), "{\"b\":1,\"a\":\"x\"}\n");
  EXPECT_EQ(
      ToPage({{"list", {{{"x", 1}}, {{"x", 2}}}}, {"empty", nlohmann::ordered_json::array()}}),
      "{\n  \"list\": [\n    {\"x\":1},\n    {\"x\":2}\n  ],\n  \"empty\": []\n}\n");
}

TEST(ToPage, ReadsBackAsItWas) {
  const nlohmann::ordered_json page = {{"text", std::string(300, 'a')}, {"n", {1, {2, {3}}}}};
  EXPECT_EQ(nlohmann::ordered_json::parse(ToPage(page)), page);
}

TEST(FirstDifference, NamesThePlaceAndBothValues) {
  const json expected = json::parse(R"({"a": [{"b": 1}, {"b": 2}], "c": "x"})");
  json found = expected;
  EXPECT_FALSE(FirstDifference(found, expected).has_value());
  found["a"][1]["b"] = 3;
  EXPECT_EQ(FirstDifference(found, expected)->place, "a[1].b");
  EXPECT_EQ(FirstDifference(found, expected)->found, "3");
  EXPECT_EQ(FirstDifference(found, expected)->expected, "2");
}

TEST(FirstDifference, SeesWhatIsMissingAndWhatIsTooMuch) {
  const json expected = json::parse(R"({"a": [1, 2]})");
  EXPECT_EQ(FirstDifference(json::parse(R"({"a": [1]})"), expected)->found, "nothing");
  EXPECT_EQ(FirstDifference(json::parse(R"({"a": [1, 2, 3]})"), expected)->expected, "nothing");
  EXPECT_EQ(FirstDifference(json::parse(R"({"a": [1, 2], "b": 1})"), expected)->place, "b");
  EXPECT_EQ(FirstDifference(json::parse("{}"), expected)->place, "a");
  EXPECT_EQ(FirstDifference(json::parse("[]"), expected)->place, "");
}

}  // namespace
}  // namespace onnxquant
