#include "lib/text/json_edit.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;
using Path = std::vector<std::string>;

class Edited {
 public:
  explicit Edited(const std::string& text)
      : edit_(JsonEdit::Open(text, 3, "f", ErrorKind::kModel).value()) {}
  Edited& Set(const Path& path, const nlohmann::json& value) {
    const absl::Status status = edit_.Set(path, value);
    EXPECT_TRUE(status.ok()) << status;
    return *this;
  }
  Edited& Remove(const Path& path) {
    const absl::Status status = edit_.Remove(path);
    EXPECT_TRUE(status.ok()) << status;
    return *this;
  }
  const std::string& text() const { return edit_.text(); }

 private:
  JsonEdit edit_;
};

TEST(JsonEdit, LeavesEveryByteThatIsNotTheMembers) {
  const std::string odd =
      "\xef\xbb\xbf{ \"n\":1e5,\t\"long\" : 123456789012345678901234567890,\r\n\"e\": "
      "\"\\u00e9\\/\","
      "\"n\": 1.10, \"x\": {\"k\" :1}}\r\n ";
  const std::string text = Edited(odd).Set({"x", "k"}, 2).text();
  EXPECT_EQ(text, std::string(odd).replace(odd.find(":1}}"), 2, ":2"));
  EXPECT_EQ(Edited(text).Set({"x", "k"}, 1).text(), odd);
}

TEST(JsonEdit, LeavesAnEqualValueAsItIsWritten) {
  EXPECT_EQ(Edited("{\"a\": 1.0e0}").Set({"a"}, 1).text(), "{\"a\": 1.0e0}");
  EXPECT_EQ(Edited("{\"a\": \"\\u0062\"}").Set({"a"}, "b").text(), "{\"a\": \"\\u0062\"}");
}

TEST(JsonEdit, AddsMembersAsTheOthersStand) {
  EXPECT_EQ(Edited("{\n    \"a\": 1\n}\n").Set({"b"}, 2).text(),
            "{\n    \"a\": 1,\n    \"b\": 2\n}\n");
  EXPECT_EQ(Edited("{\r\n\t\"a\" : 1\r\n}").Set({"b"}, 2).text(),
            "{\r\n\t\"a\" : 1,\r\n\t\"b\" : 2\r\n}");
  EXPECT_EQ(Edited("{\"a\":1}").Set({"b"}, 2).text(), "{\"a\":1,\"b\":2}");
  EXPECT_EQ(Edited("{\"a\": 1}").Set({"b"}, 2).text(), "{\"a\": 1, \"b\": 2}");
  EXPECT_EQ(Edited("{ \"a\": 1, \"b\": 2 }").Set({"c"}, 3).text(),
            "{ \"a\": 1, \"b\": 2, \"c\": 3 }");
}

TEST(JsonEdit, OpensAnEmptyObjectAsItsSurroundingsStand) {
  EXPECT_EQ(Edited("{}").Set({"a"}, 1).text(), "{\n  \"a\": 1\n}");
  EXPECT_EQ(Edited("{}\n").Set({"a"}, nlohmann::json::object()).Set({"a", "b"}, 1).text(),
            "{\n  \"a\": {\n    \"b\": 1\n  }\n}\n");
  EXPECT_EQ(Edited("{\r\n\t\"x\": 1,\r\n\t\"a\": { }\r\n}").Set({"a", "b"}, 1).text(),
            "{\r\n\t\"x\": 1,\r\n\t\"a\": {\r\n\t\t\"b\": 1\r\n\t}\r\n}");
  EXPECT_EQ(Edited("{\"x\":{},\"y\":1}").Set({"x", "b"}, 1).text(), "{\"x\":{\"b\":1},\"y\":1}");
}

TEST(JsonEdit, RemovesAMemberWithItsComma) {
  const std::string text = "{\n  \"a\": 1,\n  \"b\": {\"x\": 1},\n  \"c\": 3\n}";
  EXPECT_EQ(Edited(text).Remove({"a"}).text(), "{\n  \"b\": {\"x\": 1},\n  \"c\": 3\n}");
  EXPECT_EQ(Edited(text).Remove({"b"}).text(), "{\n  \"a\": 1,\n  \"c\": 3\n}");
  EXPECT_EQ(Edited(text).Remove({"c"}).text(), "{\n  \"a\": 1,\n  \"b\": {\"x\": 1}\n}");
  EXPECT_EQ(Edited("{\"a\": {\n \"b\": 1\n}}").Remove({"a", "b"}).text(), "{\"a\": {}}");
  EXPECT_EQ(Edited(text).Remove({"none"}).Remove({"a", "none"}).Remove({"none", "x"}).text(), text);
}

TEST(JsonEdit, WritesKeysAndTextsSoThatTheyAreReadAgain) {
  const std::string odd = "a\"\\\n\x01";
  const std::string text = Edited("{}").Set({odd}, odd).text();
  EXPECT_EQ(nlohmann::json::parse(text), nlohmann::json({{odd, odd}}));
}

TEST(JsonEdit, RefusesToChooseBetweenTwoOfOneKey) {
  auto edit = JsonEdit::Open("{\"a\": 1,\n\"\\u0061\": 2}", 3, "f", ErrorKind::kModel).value();
  const std::string message = "f:2:1: 'a' stands twice here; leave one of them";
  EXPECT_EQ(edit.Set(Path{"a"}, 3).message(), message);
  EXPECT_EQ(edit.Remove(Path{"a"}).message(), message);
  EXPECT_EQ(edit.Get(Path{"a", "b"}).status().message(), message);
  EXPECT_TRUE(edit.Set(Path{"b"}, 3).ok());
}

TEST(JsonEdit, GetsValues) {
  const auto edit = JsonEdit::Open(R"({"a": {"b": [1]}})", 3, "f", ErrorKind::kModel).value();
  EXPECT_EQ(edit.Get(Path{"a", "b"})->value(), nlohmann::json({1}));
  EXPECT_FALSE(edit.Get(Path{"a", "c"})->has_value());
  EXPECT_FALSE(edit.Get(Path{"a", "b", "c"})->has_value());
}

}  // namespace
}  // namespace onnxquant
