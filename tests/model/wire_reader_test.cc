#include "lib/model/wire_reader.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

absl::Span<const std::byte> BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(WireReaderTest, SaysWhereEachFieldAndItsContentLie) {
  // Field 1: the varint 300; field 2: "ab"; field 3: four bytes; field 4: eight.
  const std::string text(
      "\x08\xac\x02\x12\x02"
      "ab\x1d"
      "1234\x21"
      "12345678",
      21);
  WireReader reader(BytesOf(text), 0, text.size());
  std::vector<std::vector<std::size_t>> found;
  while (!reader.AtEnd()) {
    const auto field = reader.Next();
    ASSERT_TRUE(field.ok()) << field.status();
    found.push_back({field->number, field->wire, field->start, field->content, field->end});
  }
  const std::vector<std::vector<std::size_t>> expected = {{1, kVarint, 0, 3, 3},
                                                          {2, kLength, 3, 5, 7},
                                                          {3, kFixed32, 7, 8, 12},
                                                          {4, kFixed64, 12, 13, 21}};
  EXPECT_EQ(found, expected);
}

TEST(WireReaderTest, RefusesWhatIsNoField) {
  for (const std::string& text : {std::string("\x12\x05"
                                              "ab"),
                                  std::string("\x08"), std::string("\x00\x00", 2),
                                  std::string("\x0b"), std::string(12, '\xff')}) {
    const absl::Status status = WireReader(BytesOf(text), 0, text.size()).Next().status();
    EXPECT_EQ(KindOf(status), ErrorKind::kModel);
    EXPECT_THAT(std::string(status.message()), HasSubstr("malformed data at byte"));
  }
}

}  // namespace
}  // namespace onnxquant
