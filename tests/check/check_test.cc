#include "onnxquant/check.h"

#include <nlohmann/json.hpp>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/check/check_fixture.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(CheckTest, KindsAreUniqueAndExplained) {
  std::set<std::string> seen;
  for (const CheckKind& kind : CheckKinds()) {
    EXPECT_TRUE(seen.insert(kind.kind).second) << kind.kind;
    EXPECT_GT(std::string(kind.meaning).size(), 20U) << kind.kind;
  }
}

TEST_F(CheckTest, ErrorsComeFirst) {
  Check(InHalf(Text(R"((float[n, 8] x) => (float[n, 8] y)
<float[8] gain, float[8] wide_gain, float[8, 8] w> {
  n = LayerNormalization(x, gain)
  p = MatMul(n, w)
  h = Add(x, p)
  y = LayerNormalization(h, wide_gain)
})")));
  EXPECT_THAT(Kinds(), ElementsAre("mixed_norm", "residual_in_half"));
  EXPECT_EQ(result_.errors(), 1U);
  EXPECT_EQ(result_.warnings(), 1U);
}

TEST_F(CheckTest, AFileThatIsNoModelIsAnErrorOfItsOwn) {
  folder_.Write("model.onnx", "GGUF and more");
  const auto result = CheckModel(folder_ / "model.onnx", {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kModel);
}

TEST_F(CheckTest, AnUnknownTargetIsRefused) {
  const auto result = CheckModel(folder_ / "model.onnx", {.target = "tpu"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("a target is one of cpu, webgpu"));
}

TEST_F(CheckTest, AModelInMemoryIsCheckedAsAFileIs) {
  const std::string bytes = InHalf(Text(kWideNorms, "30000")).SerializeAsString();
  const auto result = CheckModel(
      ModelInMemory{.path = "m.onnx",
                    .model = {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()},
                    .tensors = {}},
      {});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->findings.size(), 1U);
  EXPECT_EQ(result->findings[0].kind, "residual_in_half");
}

TEST_F(CheckTest, TheJsonHoldsAllOfIt) {
  Check(InHalf(Text(kWideNorms, "30000")));
  ASSERT_THAT(Kinds(), ElementsAre("residual_in_half"));
  const auto json = nlohmann::json::parse(ToJson(result_));
  EXPECT_EQ(json["path"], folder_ / "model_fp16.onnx");
  EXPECT_EQ(json["target"], "webgpu");
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["errors"], 1);
  EXPECT_EQ(json["warnings"], 0);
  EXPECT_EQ(json["half_type"], "float16");
  EXPECT_EQ(json["policy"], "gemma-web");
  EXPECT_EQ(json["command"], result_.command);
  const auto& finding = json["findings"][0];
  EXPECT_EQ(finding["kind"], "residual_in_half");
  EXPECT_EQ(finding["severity"], "error");
  EXPECT_EQ(finding["place"], "sum");
  EXPECT_TRUE(finding["layer"].is_null());
  EXPECT_EQ(finding["places"], nlohmann::json::array({"sum"}));
  EXPECT_EQ(finding["evidence"], result_.findings[0].evidence);
}

}  // namespace
}  // namespace onnxquant
