#include "lib/calibrate/calibrate_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/runtime/ort_runner.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kText[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (int64[b, n] input_ids) => (float[b, n, 5] logits)
    <float[5, 4] table, float[4, 4] m, float[4, 5] head> {
      e = Gather(table, input_ids)
      h = MatMul(e, m)
      logits = MatMul(h, head)
    })";

class CalibrateFileTest : public ::testing::Test {
 protected:
  CalibrateFileTest() {
    folder_.Write("model.onnx", ParseModel(kText).SerializeAsString());
    folder_.Write("tokens.jsonl", "[0, 1, 2]\n[2]\n");
    options_.model = folder_ / "model.onnx";
    options_.factory = LoadWithOnnxRuntime;
    options_.tool = "onnxquant test";
    options_.sequences = 3;
    options_.length = 4;
  }
  absl::StatusOr<CalibrationReport> Run(const std::string& name, bool force = false) {
    return CalibrateToFile(options_, {.path = folder_ / name, .force = force}, keep_,
                           [this](const CalibrationPlan& plan) {
                             planned_ = plan.values.size();
                             names_when_planned_ = folder_.Names();
                           });
  }
  TempFolder folder_;
  CalibrationOptions options_;
  KeepOptions keep_;
  std::size_t planned_ = 0;
  std::vector<std::string> names_when_planned_;
};

TEST_F(CalibrateFileTest, WritesAFileThatHoldsWhatTheReportSays) {
  options_.gradients = 2;
  const auto report = Run("c");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(planned_, 2U);
  EXPECT_EQ(report->output, folder_ / "c");
  EXPECT_EQ(report->passes, 1U);
  EXPECT_GT(report->seconds, 0);
  EXPECT_THAT(report->layers, ElementsAre(-1, -1));
  EXPECT_EQ(report->bytes, folder_.Read("c").size());
  const auto file = CalibrationFile::Open(folder_ / "c");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(report->values.size(), file->entries().size());
  for (const MomentsInfo& value : report->values) {
    const MomentsInfo* found = file->Find(value.value);
    ASSERT_NE(found, nullptr) << value.value;
    EXPECT_EQ(found->size, value.size);
    EXPECT_EQ(found->count, value.count);
    EXPECT_EQ(value.count, 12U);
  }
  ASSERT_EQ(report->gradients.size(), file->gradients().size());
  EXPECT_GT(report->gradients.size(), 0U);
  for (const GradientInfo& info : report->gradients) {
    ASSERT_NE(file->FindGradient(info.output), nullptr) << info.output;
    EXPECT_EQ(file->FindGradient(info.output)->count, info.count);
  }
  for (const auto& [key, value] : report->metadata) EXPECT_EQ(file->metadata().at(key), value);
}

TEST_F(CalibrateFileTest, TheJsonHasAllOfIt) {
  const auto report = Run("c");
  ASSERT_TRUE(report.ok()) << report.status();
  const Json json = Json::parse(ToJson(*report));
  EXPECT_EQ(json["model"], options_.model);
  EXPECT_EQ(json["output"], folder_ / "c");
  EXPECT_EQ(json["values"], Json::parse(R"([{"name": "e", "size": 4, "rows": 12, "layer": null},
                            {"name": "h", "size": 4, "rows": 12, "layer": null}])"));
  EXPECT_EQ(json["metadata"]["tokens"], "12");
  for (const char* key : {"gradients", "not_observed", "warnings"}) {
    EXPECT_EQ(json[key], Json::array()) << key;
  }
  EXPECT_FALSE(json.contains("merged"));
  EXPECT_EQ(ToJson(*report).back(), '\n');
}

TEST_F(CalibrateFileTest, LeavesWhatStandsThereAndNothingOfItsOwnAfterAnError) {
  folder_.Write("c", "mine");
  EXPECT_EQ(KindOf(Run("c").status()), ErrorKind::kWrite);
  EXPECT_EQ(planned_, 0U) << "it is refused before anything runs";
  EXPECT_EQ(KindOf(Run("model.onnx", true).status()), ErrorKind::kWrite);
  options_.tokens = folder_ / "tokens.jsonl";
  EXPECT_EQ(KindOf(Run("tokens.jsonl", true).status()), ErrorKind::kWrite);
  options_.cancelled = [] { return true; };
  EXPECT_EQ(KindOf(Run("c", true).status()), ErrorKind::kCancelled);
  EXPECT_EQ(folder_.Read("c"), "mine");
  EXPECT_THAT(folder_.Names(), ElementsAre("c", "model.onnx", "tokens.jsonl"));
  options_.cancelled = nullptr;
  EXPECT_TRUE(Run("c", true).ok());
  EXPECT_NE(folder_.Read("c"), "mine");
}

// A run that ends after each number of texts, and another that goes on from there.
TEST_F(CalibrateFileTest, GoesOnWhereAnotherRunEndedAndGivesTheSameFile) {
  std::vector<std::string> said;
  keep_ = {.every = 0, .notice = [&said](const std::string& text) { said.push_back(text); }};
  options_.sequences = 5;
  options_.batch = 2;
  options_.gradients = 2;
  options_.memory = 150000;  // so that the model runs again for some values
  for (const bool own : {true, false}) {
    options_.tokens = own ? kSelf : folder_ / "tokens.jsonl";
    const std::string whole = own ? "whole-own" : "whole-file";
    const auto once = Run(whole);
    ASSERT_TRUE(once.ok()) << once.status();
    EXPECT_GT(once->passes, 1U);
    std::size_t last = 0;
    options_.progress = [&last](std::uint64_t done, std::uint64_t) { last = done; };
    for (std::uint64_t end = 1; end < 60; end += 3) {
      options_.cancelled = [&last, end] { return last >= end; };
      last = 0;
      if (Run("c", true).ok()) break;
      options_.cancelled = nullptr;
      said.clear();
      const std::vector<std::string> names = folder_.Names();
      const bool kept = std::find(names.begin(), names.end(), "c.unfinished") != names.end();
      ASSERT_TRUE(Run("c", true).ok());
      EXPECT_EQ(said, kept ? std::vector<std::string>{"going on from " + (folder_ / "c.unfinished")}
                           : std::vector<std::string>{});
      EXPECT_EQ(folder_.Read("c"), folder_.Read(whole)) << "after " << end;
    }
    options_.cancelled = nullptr;
    options_.progress = nullptr;
  }
  EXPECT_THAT(folder_.Names(),
              ElementsAre("c", "model.onnx", "tokens.jsonl", "whole-file", "whole-own"));
}

TEST_F(CalibrateFileTest, BeginsAnewWhereWhatWasKeptIsOfAnotherRunOrDamaged) {
  std::vector<std::string> said;
  keep_ = {.every = 0, .notice = [&said](const std::string& text) { said.push_back(text); }};
  options_.batch = 1;
  const auto end = [this](std::uint64_t tokens) {
    auto last = std::make_shared<std::uint64_t>(0);
    options_.progress = [last](std::uint64_t done, std::uint64_t) { *last = done; };
    options_.cancelled = [last, tokens] { return *last >= tokens; };
    EXPECT_EQ(KindOf(Run("c").status()), ErrorKind::kCancelled);
    options_.cancelled = nullptr;
  };
  end(9);
  ASSERT_THAT(folder_.Names(), ElementsAre("c.unfinished", "model.onnx", "tokens.jsonl"));
  options_.inputs.seed = 1;
  ASSERT_TRUE(Run("c").ok());
  ASSERT_EQ(said.size(), 1U);
  EXPECT_THAT(said[0], HasSubstr("c.unfinished: is of another run"));
  const std::string whole = folder_.Read("c");
  folder_.Write("c.unfinished", "no such file at all");
  ASSERT_TRUE(Run("c", true).ok());
  EXPECT_THAT(said.back(), HasSubstr("this run begins anew"));
  EXPECT_EQ(folder_.Read("c"), whole);
  keep_.every = -1;
  folder_.Write("c.unfinished", "mine");
  ASSERT_TRUE(Run("c", true).ok());
  EXPECT_EQ(folder_.Read("c.unfinished"), "mine") << "nothing is kept, nothing is touched";
}

TEST_F(CalibrateFileTest, AFileNamedAsTheModelsOwnTextIsNoInput) {
  EXPECT_TRUE(Run("self").ok());
  EXPECT_TRUE(Run("self", true).ok());
}

TEST_F(CalibrateFileTest, AddsUpFilesOfSeveralRuns) {
  ASSERT_TRUE(Run("a").ok());
  options_.inputs.seed = 1;
  ASSERT_TRUE(Run("b").ok());
  const std::vector<std::string> files{folder_ / "a", folder_ / "b"};
  const auto sum = MergeToFile(files, {.path = folder_ / "c"});
  ASSERT_TRUE(sum.ok()) << sum.status();
  EXPECT_EQ(sum->bytes, folder_.Read("c").size());
  EXPECT_EQ(sum->values[0].count, 24U);
  EXPECT_EQ(sum->metadata.at("tokens"), "24");
  const Json json = Json::parse(ToJson(*sum));
  EXPECT_EQ(json["merged"], Json(files));
  EXPECT_EQ(json["values"][0], Json::parse(R"({"name": "e", "size": 4, "rows": 24})"));
  for (const char* key : {"model", "passes", "seconds", "not_observed", "warnings"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
  EXPECT_EQ(KindOf(MergeToFile(files, {.path = folder_ / "a", .force = true}).status()),
            ErrorKind::kWrite);
}

TEST_F(CalibrateFileTest, RefusesToAddUpFewerThanTwo) {
  ASSERT_TRUE(Run("a").ok());
  const auto one = MergeToFile({folder_ / "a"}, {.path = folder_ / "c"});
  EXPECT_EQ(KindOf(one.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(one.status().message()), HasSubstr("found 1 file of statistics"));
  EXPECT_EQ(KindOf(MergeToFile({}, {.path = folder_ / "c"}).status()), ErrorKind::kUsage);
  EXPECT_THAT(folder_.Names(), ElementsAre("a", "model.onnx", "tokens.jsonl"));
}

}  // namespace
}  // namespace onnxquant
