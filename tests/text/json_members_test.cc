#include "lib/text/json_members.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// "KEY=VALUE;" of every member as its bytes stand in the text, inner objects in parentheses.
std::string Listed(const std::string& text, const JsonObject& object) {
  std::string list;
  for (const JsonMember& member : object.members) {
    list += text.substr(member.key_begin, member.key_end - member.key_begin) + "=" +
            text.substr(member.value_begin, member.value_end - member.value_begin);
    if (member.object != nullptr) list += "(" + Listed(text, *member.object) + ")";
    list += ";";
  }
  return list;
}

std::string Members(const std::string& text, int depth) {
  const auto root = FindMembers(text, depth, "f", ErrorKind::kModel);
  if (!root.ok()) return std::string(root.status().message());
  EXPECT_EQ(text.substr(root->begin, 1), "{");
  EXPECT_EQ(text.substr(root->end - 1, 1), "}");
  return Listed(text, *root);
}

TEST(JsonMembers, KnowsWhereEachTokenBeginsAndEnds) {
  EXPECT_EQ(Members("{}", 3), "");
  EXPECT_EQ(
      Members(R"( { "a" : -1.50e+2 ,"b":[1,{"x":2}, []], "c":"s\",:","d":true,"e":null,"f":12})",
              3),
      R"("a"=-1.50e+2;"b"=[1,{"x":2}, []];"c"="s\",:";"d"=true;"e"=null;"f"=12;)");
  EXPECT_EQ(Members("\xef\xbb\xbf{\r\n\t\"a\":\r\n1\r\n}\r\n", 3), "\"a\"=1;");
}

TEST(JsonMembers, DescendsIntoObjectsDownToTheDepth) {
  const std::string text = R"({"a": {"b": {"c": {"d": 1}}, "e": 2}, "f": [{"a": {}}]})";
  EXPECT_EQ(Members(text, 1), R"("a"={"b": {"c": {"d": 1}}, "e": 2};"f"=[{"a": {}}];)");
  EXPECT_EQ(Members(text, 2),
            R"("a"={"b": {"c": {"d": 1}}, "e": 2}("b"={"c": {"d": 1}};"e"=2;);"f"=[{"a": {}}];)");
}

TEST(JsonMembers, UnescapesKeys) {
  const std::string text = R"({"\u0061": 1})";
  EXPECT_EQ(FindMembers(text, 1, "f", ErrorKind::kModel)->members.front().key, "a");
}

TEST(JsonMembers, RefusesWhatIsNoObject) {
  for (const char* text : {"[{\"a\": 1}]", "3", "\"{}\"", "null"}) {
    EXPECT_EQ(Members(text, 2), "f: is not a JSON object") << text;
  }
  EXPECT_THAT(Members("{\"a\" 1}", 2), HasSubstr("f:1:6: is not valid JSON"));
  EXPECT_THAT(Members("{\"a\":" + std::string(100000, '['), 2), HasSubstr("levels deep"));
}

}  // namespace
}  // namespace onnxquant
