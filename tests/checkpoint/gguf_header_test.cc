#include "lib/checkpoint/gguf_header.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/checkpoint/files.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(GgufHeader, HasTensorsWithTheOutermostDimensionFirst) {
  const std::string file = Gguf("w", {4, 2}, 0, std::string(32, 'x'));
  const auto tensors = ReadGgufHeader("m.gguf", AsBytes(file));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 1U);
  EXPECT_EQ((*tensors)[0].name, "w");
  EXPECT_THAT((*tensors)[0].shape, ElementsAre(2, 4));
  EXPECT_EQ((*tensors)[0].begin + 32, file.size());
}

TEST(GgufHeader, CutShortAnywhereIsAnErrorAndNothingElse) {
  const std::string file = Gguf("w", {4, 2}, 0, "");
  for (std::size_t size = 0; size + 8 < file.size(); ++size) {
    const std::string cut = file.substr(0, size);
    const auto tensors = ReadGgufHeader("m.gguf", AsBytes(cut));
    // What is cut off at the end may be padding, without which no tensor begins.
    EXPECT_FALSE(tensors.ok()) << size;
    EXPECT_THAT(std::string(tensors.status().message()), HasSubstr("m.gguf: "));
  }
}

TEST(GgufHeader, BelievesNoCountBeyondTheFile) {
  const auto error = [](const std::string& file) {
    return std::string(ReadGgufHeader("m.gguf", AsBytes(file)).status().message());
  };
  const std::string begin = "GGUF" + Raw(std::uint32_t{3});
  const std::uint64_t huge = std::uint64_t{1} << 62U;
  EXPECT_THAT(error(begin + Raw(huge) + Raw(std::uint64_t{0})), HasSubstr("tensors in"));
  EXPECT_THAT(error(begin + Raw(std::uint64_t{0}) + Raw(huge)), HasSubstr("fields"));
  EXPECT_THAT(error(Gguf("w", {huge}, 0, "")), HasSubstr("more elements than can be counted"));
  EXPECT_THAT(error(Gguf("w", {1, 1, 1, 1, 1}, 0, "")), HasSubstr("5 dimensions"));
  EXPECT_THAT(error("GGUF" + Raw(std::uint32_t{0x03000000}) + std::string(64, '\0')),
              HasSubstr("another byte order"));
}

}  // namespace
}  // namespace onnxquant
