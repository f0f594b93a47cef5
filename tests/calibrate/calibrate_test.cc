#include "lib/calibrate/calibrate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
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

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A language model of five tokens without a cache: "e" is the token's row of the table, which holds
// (37 i mod 101 - 50) / 64.
constexpr char kText[] = R"(<ir_version: 10, opset_import: ["" : 21]>
    g (int64[b, n] input_ids) => (float[b, n, 5] logits)
    <float[5, 4] table, float[4, 4] m, float[4, 5] head> {
      e = Gather(table, input_ids)
      h = MatMul(e, m)
      logits = MatMul(h, head)
    })";

float Table(std::size_t token, std::size_t i) {
  return static_cast<float>(static_cast<int>(37 * (4 * token + i) % 101) - 50) / 64;
}

class CalibrateTest : public ::testing::Test {
 protected:
  CalibrateTest() {
    folder_.Write("model.onnx", ParseModel(kText).SerializeAsString());
    folder_.Write("tokens.jsonl", "[0, 1, 2]\n[2]\n[]\n");
    options_.model = folder_ / "model.onnx";
    options_.factory = LoadWithOnnxRuntime;
    options_.tool = "onnxquant test";
  }
  absl::StatusOr<Calibration> Run() {
    const auto plan = PlanCalibration(options_);
    if (!plan.ok()) return plan.status();
    passes_ = plan->passes.size();
    return Calibrate(options_, *plan);
  }
  TempFolder folder_;
  CalibrationOptions options_;
  std::size_t passes_ = 0;
};

TEST_F(CalibrateTest, SumsUpWhatProductsReadOfAFile) {
  options_.tokens = folder_ / "tokens.jsonl";
  std::vector<std::uint64_t> done;
  options_.progress = [&](std::uint64_t now, std::uint64_t total) {
    EXPECT_EQ(total, 4U);
    done.push_back(now);
  };
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->statistics.moments.size(), 2U);
  const Moments& e = made->statistics.moments[0];
  EXPECT_EQ(e.value, "e");
  EXPECT_EQ(e.size, 4);
  EXPECT_EQ(e.count, 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      float expected = 0;
      for (const std::size_t token : {0U, 1U, 2U, 2U}) {
        expected += Table(token, i) * Table(token, j);
      }
      EXPECT_NEAR(e.sums[i * 4 + j], expected, 1e-6);
    }
  }
  EXPECT_EQ(made->statistics.moments[1].value, "h");
  EXPECT_THAT(done, ElementsAre(3, 4));
  const auto& metadata = made->statistics.metadata;
  EXPECT_EQ(metadata.at("tokens"), "4");
  EXPECT_EQ(metadata.at("sequences"), "2");
  EXPECT_EQ(metadata.at("text"), "tokens");
  EXPECT_EQ(metadata.at("tool"), "onnxquant test");
  EXPECT_EQ(metadata.at("fingerprint").size(), 16U);
  EXPECT_FALSE(metadata.contains("seed"));
  EXPECT_TRUE(made->warnings.empty());
}

TEST_F(CalibrateTest, TellsOfTextThatAModelWithoutACacheWritesAndThenReads) {
  options_.sequences = 3;
  options_.length = 20;
  options_.batch = 2;
  std::vector<std::uint64_t> done;
  options_.progress = [&](std::uint64_t now, std::uint64_t total) {
    EXPECT_EQ(total, 120U);  // 60 tokens, twice
    done.push_back(now);
  };
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_FALSE(done.empty());
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_LE(done.front(), 2U);
  EXPECT_EQ(done.back(), 120U);
}

TEST_F(CalibrateTest, GivesTheSameInManyPasses) {
  for (const char* tokens : {"self", "tokens.jsonl"}) {
    options_.memory = std::uint64_t{1} << 30;
    options_.tokens = std::string(tokens) == "self" ? tokens : folder_ / tokens;
    options_.sequences = 3;
    options_.length = 20;
    const auto once = Run();
    EXPECT_EQ(passes_, 1U);
    options_.memory = 100'000;
    const auto twice = Run();
    EXPECT_EQ(passes_, 2U);
    ASSERT_TRUE(once.ok() && twice.ok()) << once.status() << twice.status();
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(once->statistics.moments[i].sums, twice->statistics.moments[i].sums);
    }
  }
}

TEST_F(CalibrateTest, RefusesAMemoryThatOneValueExceeds) {
  options_.memory = 1000;
  const auto made = Run();
  EXPECT_EQ(KindOf(made.status()), ErrorKind::kUsage);
  EXPECT_THAT(made.status().message(),
              AllOf(HasSubstr("the value 'e' of 4 elements"), HasSubstr("--memory allows 1000")));
}

TEST_F(CalibrateTest, ReadsTheModelsOwnTextWhichHangsOnTheSeed) {
  options_.sequences = 5;
  options_.length = 12;
  const auto first = Run();
  const auto same = Run();
  options_.inputs.seed = 1;
  const auto other = Run();
  ASSERT_TRUE(first.ok() && same.ok() && other.ok()) << first.status();
  EXPECT_EQ(first->statistics.moments[0].count, 60U);
  EXPECT_EQ(first->statistics.moments[0].sums, same->statistics.moments[0].sums);
  EXPECT_NE(first->statistics.moments[0].sums, other->statistics.moments[0].sums);
  EXPECT_EQ(first->statistics.metadata.at("seed"), "0");
  EXPECT_EQ(first->statistics.metadata.at("text"), "self");
}

TEST_F(CalibrateTest, WarnsOfFewRows) {
  options_.tokens = folder_ / "tokens.jsonl";
  options_.count = 3;
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->warnings.size(), 1U);
  EXPECT_THAT(made->warnings[0], HasSubstr("2 of 2 values have fewer rows than elements ('e': 3 "
                                           "rows of 4)"));
}

TEST_F(CalibrateTest, RefusesTokensThatAreNone) {
  folder_.Write("tokens.txt", "0 1 5");
  options_.tokens = folder_ / "tokens.txt";
  EXPECT_THAT(Run().status().message(),
              HasSubstr("token 3 is 5; the model's vocabulary is 0 to 4"));
  options_.tokens = folder_ / "none.txt";
  EXPECT_EQ(KindOf(Run().status()), ErrorKind::kUsage);
}

TEST_F(CalibrateTest, RunsModelsWithoutTokensOnMadeUpInputsAndSaysSo) {
  folder_.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[n, 4] x) => (float[n, 3] y) <float[4, 4] a, float[4, 3] b> {
        h = MatMul(x, a)  y = MatMul(h, b) })")
                                  .SerializeAsString());
  options_.inputs.dims["n"] = 10;
  options_.sequences = 7;
  const auto made = Run();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->statistics.moments[0].value, "x");
  EXPECT_EQ(made->statistics.moments[0].count, 70U);
  options_.sequences = 1;
  const auto once = Run();
  ASSERT_TRUE(once.ok()) << once.status();
  // Other numbers each time.
  EXPECT_GT(std::abs(made->statistics.moments[0].sums[0] - 7 * once->statistics.moments[0].sums[0]),
            1);
  EXPECT_THAT(made->warnings, ElementsAre(HasSubstr("takes no tokens: what it read was made up")));
  EXPECT_EQ(made->statistics.metadata.at("text"), "made up");

  // Made-up inputs do not take the place of a file that was named.
  options_.tokens = "tokens.json";
  EXPECT_THAT(Run().status().message(), HasSubstr("tokens.json: is given as tokens, and "));
}

TEST_F(CalibrateTest, RefusesAModelThatWritesNoTextWithoutTokens) {
  folder_.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (int64[b, n] input_ids) => (float[b, n, 4] y) <float[5, 4] table, float[4, 4] m> {
        e = Gather(table, input_ids)  y = MatMul(e, m) })")
                                  .SerializeAsString());
  const auto made = Run();
  EXPECT_EQ(KindOf(made.status()), ErrorKind::kUsage);
  EXPECT_THAT(made.status().message(), HasSubstr("give a file of token ids with --tokens"));
  options_.tokens = folder_ / "tokens.jsonl";
  EXPECT_TRUE(Run().ok());
}

TEST_F(CalibrateTest, NamesTheValueThatHoldsNan) {
  folder_.Write("model.onnx", ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (int64[b, n] input_ids) => (float[b, n, 4] y) <float[5, 4] table, float[4, 4] m> {
        e = Gather(table, input_ids)  bad = Sqrt(e)  y = MatMul(bad, m) })")
                                  .SerializeAsString());
  options_.tokens = folder_ / "tokens.jsonl";
  const auto made = Run();
  EXPECT_EQ(KindOf(made.status()), ErrorKind::kVerify);
  EXPECT_THAT(made.status().message(), HasSubstr("value 'bad' holds NaN"));
}

TEST_F(CalibrateTest, StopsWhenItIsCancelled) {
  options_.cancelled = [] { return true; };
  EXPECT_EQ(KindOf(Run().status()), ErrorKind::kCancelled);
  options_.tokens = folder_ / "tokens.jsonl";
  EXPECT_EQ(KindOf(Run().status()), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace onnxquant
