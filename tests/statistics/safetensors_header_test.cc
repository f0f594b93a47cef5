#include "lib/statistics/safetensors_header.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

std::string File(const std::string& header, std::size_t data,
                 std::uint64_t length = ~std::uint64_t{0}) {
  if (length == ~std::uint64_t{0}) length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + std::string(data, 'x');
}

std::string Tensor(const std::string& name, int begin, int end) {
  return "\"" + name + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) +
         R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

absl::StatusOr<SafetensorsHeader> Read(const std::string& file) {
  return ReadSafetensorsHeader("f", AsBytes(file));
}
std::string Refusal(const std::string& file) {
  const auto read = Read(file);
  if (read.ok()) return "it was read";
  EXPECT_EQ(KindOf(read.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(read.status().message()), ::testing::StartsWith("f"));
  return std::string(read.status().message());
}

TEST(SafetensorsHeader, IsReadInTheOrderOfTheData) {
  const std::string header =
      "{" + Tensor("a", 4, 10) + "," + Tensor("b", 0, 4) + R"(,"__metadata__":{"k":"v"}} )";
  const auto read = Read(File(header, 10));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->tensors.size(), 2U);
  EXPECT_EQ(read->tensors[0].name, "b");
  EXPECT_EQ(read->tensors[0].begin, 8 + header.size());
  EXPECT_EQ(read->tensors[1].name, "a");
  EXPECT_EQ(read->tensors[1].end, 8 + header.size() + 10);
  EXPECT_EQ(read->metadata.at("k"), "v");
}

TEST(SafetensorsHeader, MayHaveNoTensors) {
  EXPECT_TRUE(Read(File("{}", 0)).ok());
}

TEST(SafetensorsHeader, RefusesLengthsThatLie) {
  EXPECT_THAT(Refusal(""), HasSubstr("has 0 bytes, too few"));
  EXPECT_THAT(Refusal("1234567"), HasSubstr("has 7 bytes, too few"));
  EXPECT_THAT(Refusal(File("{}", 5, 8)), HasSubstr("its header has 8 bytes, but has 7 in all"));
  EXPECT_THAT(Refusal(File("{}", 0, ~std::uint64_t{1})), HasSubstr("at most 16777216 are read"));
  const auto large = static_cast<std::uint64_t>(limits::kCalibrationHeader) + 1;
  EXPECT_THAT(Refusal(File("{}" + std::string(large, ' '), 0, large)),
              HasSubstr("at most 16777216 are read"));
}

TEST(SafetensorsHeader, RefusesWhatIsNoHeader) {
  EXPECT_THAT(Refusal(File("[]", 0)), HasSubstr("its header is no JSON object"));
  EXPECT_THAT(Refusal(File("{\"a\":", 0)), HasSubstr("is not valid JSON"));
  EXPECT_THAT(Refusal(File(std::string(1000, '['), 0)), HasSubstr("levels deep"));
  EXPECT_THAT(Refusal(File("{" + Tensor("a", 0, 1) + "," + Tensor("a", 0, 1) + "}", 1)),
              HasSubstr("a"));
  EXPECT_THAT(Refusal(File(R"({"__metadata__":{"k":1}})", 0)), HasSubstr("an object of strings"));
  EXPECT_THAT(Refusal(File(R"({"__metadata__":[]})", 0)), HasSubstr("an object of strings"));
}

TEST(SafetensorsHeader, RefusesTensorsThatAreNone) {
  for (const char* tensor :
       {"1", "{}", R"({"dtype":1,"shape":[1],"data_offsets":[0,1]})",
        R"({"dtype":"U8","shape":1,"data_offsets":[0,1]})",
        R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})",
        R"({"dtype":"U8","shape":[1.5],"data_offsets":[0,1]})",
        R"({"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]})",
        R"({"dtype":"U8","shape":[1],"data_offsets":[0]})",
        R"({"dtype":"U8","shape":[1],"data_offsets":[0,1,2]})",
        R"({"dtype":"U8","shape":[1],"data_offsets":["0","1"]})"}) {
    EXPECT_THAT(Refusal(File(std::string(R"({"a":)") + tensor + "}", 1)),
                HasSubstr("tensor 'a': expected an object"))
        << tensor;
  }
}

TEST(SafetensorsHeader, RefusesRangesThatAreNotTheirs) {
  EXPECT_THAT(Refusal(File("{" + Tensor("a", 0, 5) + "}", 4)),
              HasSubstr("tensor 'a' has the bytes 0 to 5 of the data, which has 4"));
  EXPECT_THAT(Refusal(File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[3,2]}})", 4)),
              HasSubstr("the bytes 3 to 2"));
  EXPECT_THAT(Refusal(File("{" + Tensor("a", 0, 3) + "," + Tensor("b", 2, 4) + "}", 4)),
              HasSubstr("'b' begins at byte 2, within that of another, which ends at 3"));
  EXPECT_THAT(Refusal(File("{" + Tensor("a", 0, 2) + "," + Tensor("b", 3, 4) + "}", 4)),
              HasSubstr("'b' begins at byte 3, with a gap behind that of another"));
  EXPECT_THAT(Refusal(File("{" + Tensor("a", 0, 2) + "}", 4)),
              HasSubstr("has 2 bytes behind its last tensor"));
}

}  // namespace
}  // namespace onnxquant
