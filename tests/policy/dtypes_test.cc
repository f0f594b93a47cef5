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
  EXPECT_EQ(SplitStem("model-fp16").base, "model-fp16");
}

TEST(Dtypes, AreReadOffNamesThatOthersGive) {
  for (const char* stem : {"m_fp16", "m-fp16", "m.fp16", "m_FP16", "m_float16", "m-Float16"}) {
    EXPECT_EQ(SplitSourceStem(stem).base, "m") << stem;
    EXPECT_EQ(SplitSourceStem(stem).dtype, "fp16") << stem;
  }
  EXPECT_EQ(SplitSourceStem("m-q4f16").dtype, "q4f16");
  EXPECT_EQ(SplitSourceStem("m.int4").dtype, "q4");
  EXPECT_EQ(SplitSourceStem("m_bfloat16").dtype, "bf16");
  EXPECT_EQ(SplitSourceStem("m_fp32").base, "m");
  EXPECT_EQ(SplitSourceStem("m_fp32").dtype, "");
  for (const char* stem : {"fp16", "-fp16", "mfp16", "fp16-m", "m_fp16_"}) {
    EXPECT_EQ(SplitSourceStem(stem).base, stem);
    EXPECT_EQ(SplitSourceStem(stem).dtype, "");
  }
}

}  // namespace
}  // namespace onnxquant
