#include "lib/tune/tune_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "lib/base/error.h"
#include "lib/runtime/ort_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

constexpr char kModel[] = R"(<ir_version: 10, opset_import: ["" : 21]>
  g (int64[b, n] input_ids) => (float[b, n, 5] logits)
  <float[5, 32] table, float[32, 32] up, float[32, 5] head> {
    e = Gather(table, input_ids)
    h = MatMul(e, up)
    logits = MatMul(h, head)
  })";

constexpr char kPolicy[] =
    "policy: 1\nname: p\noutputs:\n"
    "  q4: {compute: float32, weights: {format: int4, block: 16, symmetric: false}, io: float32}\n";

class TuneFileTest : public ::testing::Test {
 protected:
  TuneFileTest() {
    folder_.Write("model.onnx", ParseModel(kModel).SerializeAsString());
    folder_.Write("p.yaml", kPolicy);
    options_.model = folder_ / "model.onnx";
    options_.plan.policy = folder_ / "p.yaml";
    options_.factory = LoadWithOnnxRuntime;
    options_.count = 16;
    options_.max_kl = 10;
  }
  absl::StatusOr<TuneReport> Run(const std::string& name, bool force = false,
                                 bool confirm = false) {
    const std::string path = name.empty() ? "" : folder_ / name;
    return TuneToFile(options_, {.path = path, .force = force}, confirm);
  }
  TempFolder folder_;
  TuneOptions options_;
};

TEST_F(TuneFileTest, WritesThePolicyThatTheReportHolds) {
  const auto report = Run("t.yaml", false, true);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->output, folder_ / "t.yaml");
  EXPECT_EQ(folder_.Read("t.yaml"), report->tuning.policy);
  EXPECT_THAT(report->tuning.policy, StartsWith(kPolicy));
  ASSERT_TRUE(report->measured_kl.has_value());
  EXPECT_GT(*report->measured_kl, 0);
  EXPECT_GT(report->seconds, 0);
}

TEST_F(TuneFileTest, APolicyWithoutAFileStandsInTheReportAlone) {
  const auto report = Run("");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->tuning.policy, HasSubstr("predicted KL"));
  EXPECT_FALSE(report->measured_kl.has_value());
  EXPECT_THAT(folder_.Names(), ElementsAre("model.onnx", "p.yaml"));
}

TEST_F(TuneFileTest, APolicyGivenAsTextIsTunedAsOneInAFile) {
  const auto expected = Run("");
  options_.plan.policy = "mine";
  options_.plan.policy_yaml = kPolicy;
  const auto report = Run("");
  ASSERT_TRUE(report.ok() && expected.ok()) << report.status();
  EXPECT_EQ(report->tuning.policy, expected->tuning.policy);
  options_.plan.policy_yaml = "policy: 1\nname: p\noutputs: 3\n";
  EXPECT_THAT(std::string(Run("").status().message()), StartsWith("mine:3"));
}

TEST_F(TuneFileTest, TheJsonHasAllOfIt) {
  const auto report = Run("t.yaml");
  ASSERT_TRUE(report.ok()) << report.status();
  const Json json = Json::parse(ToJson(*report));
  EXPECT_EQ(json["model"], options_.model);
  EXPECT_EQ(json["output"], folder_ / "t.yaml");
  EXPECT_EQ(json["dtype"], "q4");
  EXPECT_EQ(json["bytes"], report->tuning.bytes);
  EXPECT_EQ(json["predicted_kl"], report->tuning.kl);
  EXPECT_TRUE(json["measured_kl"].is_null());
  EXPECT_EQ(json["measured"], 2);
  EXPECT_EQ(json["tokens"], report->tuning.positions);
  EXPECT_THAT(json["front"], SizeIs(report->tuning.front.size()));
  ASSERT_THAT(json["weights"], SizeIs(2));
  EXPECT_EQ(json["weights"][0]["name"], "up");
  EXPECT_TRUE(json["weights"][0]["layer"].is_null());
  EXPECT_EQ(json["weights"][0]["kl"], report->tuning.weights[0].cost);
  EXPECT_EQ(ToJson(*report).back(), '\n');
}

TEST_F(TuneFileTest, AFrontAloneIsNoPolicyAndNoFile) {
  options_.max_kl.reset();
  const auto report = Run("t.yaml", false, true);
  ASSERT_TRUE(report.ok()) << report.status();
  const Json json = Json::parse(ToJson(*report));
  for (const char* key : {"output", "bytes", "predicted_kl", "measured_kl"}) {
    EXPECT_TRUE(json[key].is_null()) << key;
  }
  EXPECT_GT(json["front"].size(), 1U);
  EXPECT_EQ(json["weights"], Json::array());
  EXPECT_THAT(folder_.Names(), ElementsAre("model.onnx", "p.yaml"));
}

TEST_F(TuneFileTest, PartsMeasureWhatTheRunThatChoosesNeeds) {
  const auto expected = Run("");
  ASSERT_TRUE(expected.ok()) << expected.status();
  options_.cache = folder_ / "costs.jsonl";
  for (int number = 1; number <= 3; ++number) {
    options_.part = Part{number, 3};
    const auto part = Run("t.yaml", false, true);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_EQ(part->tuning.measured, number < 3 ? 1U : 0U) << "there are two weights";
    EXPECT_EQ(part->tuning.policy, "");
  }
  options_.part.reset();
  const auto report = Run("");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->tuning.measured, 0U);
  EXPECT_EQ(report->tuning.policy, expected->tuning.policy);
  EXPECT_THAT(folder_.Names(), ElementsAre("costs.jsonl", "model.onnx", "p.yaml"));
}

TEST_F(TuneFileTest, APartIsOneOfThemAndHasAFileForItsCosts) {
  options_.part = Part{1, 2};
  EXPECT_THAT(std::string(Run("").status().message()), HasSubstr("with --cache"));
  options_.cache = folder_ / "costs.jsonl";
  options_.part = Part{3, 2};
  const auto report = Run("");
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("--part: found 3/2"));
}

TEST_F(TuneFileTest, LeavesWhatStandsThereAndNothingOfItsOwnAfterAnError) {
  folder_.Write("t.yaml", "mine");
  std::size_t steps = 0;
  options_.progress = [&](std::size_t, std::size_t) { ++steps; };
  EXPECT_EQ(KindOf(Run("t.yaml").status()), ErrorKind::kWrite);
  for (const char* input : {"model.onnx", "p.yaml"}) {
    EXPECT_EQ(KindOf(Run(input, true).status()), ErrorKind::kWrite) << input;
  }
  EXPECT_EQ(steps, 0U) << "it is refused before anything is measured";
  const std::atomic<bool> cancelled{true};
  options_.cancelled = &cancelled;
  EXPECT_EQ(KindOf(Run("t.yaml", true).status()), ErrorKind::kCancelled);
  EXPECT_EQ(folder_.Read("t.yaml"), "mine");
  EXPECT_THAT(folder_.Names(), ElementsAre("model.onnx", "p.yaml", "t.yaml"));
  options_.cancelled = nullptr;
  EXPECT_TRUE(Run("t.yaml", true).ok());
  EXPECT_EQ(steps, 2U);
}

TEST_F(TuneFileTest, APolicyThatNoRulesCanBeAddedToIsToldOfBeforeAnythingIsMeasured) {
  std::size_t steps = 0;
  options_.progress = [&](std::size_t, std::size_t) { ++steps; };
  options_.plan.policy_yaml =
      "{policy: 1, name: p, outputs: {q4: {compute: float32, weights: {format: int4, block: 16}, "
      "io: float32}}}";
  const auto report = Run("");
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kPolicy);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("let 'rules:' be its last key"));
  EXPECT_EQ(steps, 0U);
}

}  // namespace
}  // namespace onnxquant
