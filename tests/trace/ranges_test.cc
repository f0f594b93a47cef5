#include "lib/trace/ranges.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/runtime/ort_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

// A language model of three tokens: its logits are the token's row, scaled, and later brought back.
constexpr char kText[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (int64[1, n] input_ids) => (float[1, n, 3] logits)
    <float[3, 3] table, float scale = {100000.0}>
    {
      e = Gather(table, input_ids)
      big = Mul(e, scale)
      logits = Div(big, scale)
    })";

class RangesTest : public ::testing::Test {
 protected:
  RangesTest() {
    folder_.Write("model.onnx", ParseModel(kText).SerializeAsString());
    folder_.Write("tokens.txt", "0 1 2 2");
    options_.model = folder_ / "model.onnx";
    options_.tokens = folder_ / "tokens.txt";
    options_.factory = LoadWithOnnxRuntime;
  }
  TempFolder folder_;
  RangesOptions options_;
};

TEST_F(RangesTest, MeasuresEveryFloatValue) {
  const auto ranges = MeasureRanges(options_);
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  EXPECT_EQ(ranges->tokens, 4U);
  EXPECT_EQ(ranges->groups, 1U);
  ASSERT_EQ(ranges->values.size(), 3U);
  // The table holds (37 i mod 101 - 50) / 64 for i from 0 to 8.
  const Range& table = ranges->values[0].range;
  EXPECT_EQ(ranges->values[0].name, "e");
  EXPECT_EQ(table.elements, 12U);
  EXPECT_FLOAT_EQ(static_cast<float>(table.min), -50 / 64.0F);
  EXPECT_FLOAT_EQ(static_cast<float>(table.max), 44 / 64.0F);
  EXPECT_EQ(ranges->values[1].name, "big");
  EXPECT_NEAR(ranges->values[1].range.peak, 78125, 0.1);
  EXPECT_GT(ranges->values[1].range.beyond_fp16, 0);
  EXPECT_EQ(ranges->values[2].range.beyond_fp16, 0);
}

TEST_F(RangesTest, GivesTheSameInManyGroups) {
  const auto together = MeasureRanges(options_);
  options_.memory = 1;
  const auto apart = MeasureRanges(options_);
  ASSERT_TRUE(together.ok() && apart.ok());
  EXPECT_EQ(apart->groups, 3U);
  EXPECT_EQ(ToJson(*together), ToJson(*apart));
}

TEST_F(RangesTest, GivesTheSameForEveryChunkLength) {
  const auto whole = MeasureRanges(options_);
  options_.chunk = 1;
  const auto single = MeasureRanges(options_);
  ASSERT_TRUE(whole.ok() && single.ok());
  EXPECT_EQ(ToJson(*whole), ToJson(*single));
}

TEST_F(RangesTest, MeasuresModelsWithoutTokensOnMadeUpInputs) {
  folder_.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[n, 3] x) => (float[n, 3] y) { a = Add(x, x)  y = Neg(a) })")
                                  .SerializeAsString());
  options_.tokens = "";
  options_.inputs.dims["n"] = 100;
  const auto ranges = MeasureRanges(options_);
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  ASSERT_EQ(ranges->values.size(), 2U);
  EXPECT_EQ(ranges->values[0].range.elements, 300U);
  EXPECT_EQ(ranges->values[0].range.peak, ranges->values[1].range.peak);
  EXPECT_EQ(ranges->values[0].range.min, -ranges->values[1].range.max);
  EXPECT_EQ(ranges->tokens, 0U);
}

TEST_F(RangesTest, WritesJsonThatNamesEveryValue) {
  const auto ranges = MeasureRanges(options_);
  ASSERT_TRUE(ranges.ok());
  const nlohmann::json json = nlohmann::json::parse(ToJson(*ranges));
  EXPECT_EQ(json["tokens"], 4);
  const auto& big = json["values"]["big"];
  EXPECT_NEAR(big["peak"].get<double>(), 78125, 0.1);
  for (const char* key : {"min", "max", "p50", "p99", "p99_9", "beyond_fp16"}) {
    EXPECT_TRUE(big[key].is_number()) << key;
  }
  EXPECT_TRUE(big["layer"].is_null());
  EXPECT_EQ(big["op"], "Mul");
}

TEST_F(RangesTest, RefusesTokensOutOfRange) {
  folder_.Write("tokens.txt", "0 3");
  EXPECT_EQ(KindOf(MeasureRanges(options_).status()), ErrorKind::kUsage);
}

}  // namespace
}  // namespace onnxquant
