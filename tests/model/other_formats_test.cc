#include "lib/model/other_formats.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

std::string Said(const std::string& head) {
  const absl::Status status =
      RefuseOtherFormats({reinterpret_cast<const std::byte*>(head.data()), head.size()}, "a.onnx");
  return status.ok() ? "accepted" : std::string(status.message());
}

TEST(OtherFormats, AreNamed) {
  EXPECT_EQ(Said(""), "a.onnx: is empty");
  EXPECT_THAT(Said("GGUF\x03"), HasSubstr("is a GGUF file, not an ONNX model"));
  EXPECT_THAT(Said("PK\x03\x04"), HasSubstr("zip archive"));
  EXPECT_THAT(Said("version https://git-lfs"), HasSubstr("Git LFS pointer"));
  EXPECT_THAT(Said(std::string("\x40\0\0\0\0\0\0\0{\"a\"", 12)), HasSubstr("safetensors"));
  EXPECT_THAT(Said("<html>"), HasSubstr("text file"));
}

TEST(OtherFormats, LetAModelPass) {
  EXPECT_EQ(Said("\x08\x0a\x3a"), "accepted");
}

}  // namespace
}  // namespace onnxquant
