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

TEST(Dtypes, AreReadOffFileNames) {
  EXPECT_EQ(SplitStem("model_q4f16").base, "model");
  EXPECT_EQ(SplitStem("model_q4f16").dtype, "q4f16");
  EXPECT_EQ(SplitStem("decoder_model_merged_quantized").dtype, "q8");
  EXPECT_EQ(SplitStem("my_fp16_model").base, "my_fp16_model");
  EXPECT_EQ(SplitStem("_fp16").base, "_fp16");  // a name must remain
  EXPECT_EQ(SplitStem("model").dtype, "");
}

}  // namespace
}  // namespace onnxquant
