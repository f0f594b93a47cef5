#include "lib/parts/record.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Record Example() {
  Record record;
  record.manifest = "0123";
  record.file = "model.onnx_data";
  record.bytes = 5'000'000'000;
  record.sha256 = "abcd";
  record.part = {3, 8};
  record.payloads.push_back({17, std::string("\0\xff\n", 3)});
  record.warnings = {"one value was clamped"};
  return record;
}

TEST(Record, ReadsBackAsItWas) {
  const auto read = ParseRecord(ToText(Example()), "r");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->manifest, "0123");
  EXPECT_EQ(read->file, "model.onnx_data");
  EXPECT_EQ(read->bytes, 5'000'000'000U);
  EXPECT_EQ(read->sha256, "abcd");
  EXPECT_EQ(read->part.number, 3);
  EXPECT_EQ(read->part.of, 8);
  ASSERT_EQ(read->payloads.size(), 1U);
  EXPECT_EQ(read->payloads[0].initializer, 17);
  EXPECT_EQ(read->payloads[0].bytes, std::string("\0\xff\n", 3));
  EXPECT_THAT(read->warnings, ElementsAre("one value was clamped"));
}

TEST(Record, IsRefusedWithEachOfItsMembersMissingOrOfAnotherType) {
  const auto whole = nlohmann::ordered_json::parse(ToText(Example()));
  for (const auto& [key, value] : whole.items()) {
    for (const bool missing : {true, false}) {
      auto page = whole;
      if (missing) {
        page.erase(key);
      } else {
        page[key] = nlohmann::ordered_json::object();
      }
      const auto read = ParseRecord(page.dump(), "r");
      EXPECT_THAT(read.status().message(), HasSubstr("r: is no record")) << key;
    }
  }
  auto page = whole;
  page["inline"][0]["base64"] = "?";
  EXPECT_THAT(ParseRecord(page.dump(), "r").status().message(), HasSubstr("base64"));
  page["inline"][0]["initializer"] = -1;
  EXPECT_FALSE(ParseRecord(page.dump(), "r").ok());
  EXPECT_FALSE(ParseRecord("{", "r").ok());
}

}  // namespace
}  // namespace onnxquant
