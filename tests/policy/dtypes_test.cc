#include "lib/policy/dtypes.h"

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

TEST(Dtypes, NameFilesAsTransformersJsDoes) {
  EXPECT_EQ(FileSuffixOf("fp32").value(), "");
  EXPECT_EQ(FileSuffixOf("q8").value(), "_quantized");
  EXPECT_EQ(FileSuffixOf("q4f16").value(), "_q4f16");
  EXPECT_FALSE(FileSuffixOf("q5").ok());
}

}  // namespace
}  // namespace onnxquant
