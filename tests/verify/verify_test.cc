#include "lib/verify/verify.h"

#include <limits>
#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/verify/fake_language_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

// All that is measured but time, which no two runs share.
std::string FiguresOf(Verification verification) {
  for (CandidateResult& result : verification.results) {
    if (result.greedy.has_value()) result.greedy->seconds_per_token = 0;
  }
  return ToJson(verification);
}

class VerifyTest : public ::testing::Test {
 protected:
  VerifyTest() {
    folder_.Write("tokens.txt", "1 2 3 4 5 6 7 0");
    options_.reference = "ref";
    options_.candidates = {"cand"};
    options_.tokens = folder_ / "tokens.txt";
    options_.chunk = 3;
    options_.greedy = 4;
    options_.factory = FakeFactory(&models_);
  }

  TempFolder folder_;
  FakeModels models_ = {{"ref", {}}, {"cand", {}}};
  VerifyOptions options_;
};

TEST_F(VerifyTest, FindsNoDifferenceBetweenEqualModels) {
  const auto result = Verify(options_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->passed());
  EXPECT_EQ(result->tokens, 8U);
  const Summary& figures = *result->results[0].language;
  EXPECT_EQ(figures.positions, 8U);
  EXPECT_NEAR(figures.kl_max, 0, 1e-15);
  EXPECT_EQ(figures.top1, 1);
  EXPECT_EQ(result->results[0].greedy->same, 4U);
  EXPECT_GT(result->results[0].greedy->seconds_per_token, 0);
}

TEST_F(VerifyTest, GivesTheSameForEveryChunkLength) {
  models_["cand"].peak = 1;
  options_.chunk = 1;
  const auto single = Verify(options_);
  options_.chunk = 100;
  const auto whole = Verify(options_);
  ASSERT_TRUE(single.ok() && whole.ok());
  EXPECT_GT(single->results[0].language->kl_mean, 0.1);
  EXPECT_EQ(FiguresOf(*single), FiguresOf(*whole));
}

TEST_F(VerifyTest, FailsACandidateWithNan) {
  models_["cand"].poison = std::numeric_limits<float>::quiet_NaN();
  const auto result = Verify(options_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->passed());
  EXPECT_EQ(result->results[0].language->nan, 5U);
  EXPECT_EQ(result->results[0].language->bad, 5U);
}

TEST_F(VerifyTest, RefusesAReferenceWithNan) {
  models_["ref"].poison = std::numeric_limits<float>::quiet_NaN();
  const auto result = Verify(options_);
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("the reference itself gives NaN or Inf, first at position 3"));
}

TEST_F(VerifyTest, HoldsCandidatesToTheThresholds) {
  models_["cand"].peak = 1;
  options_.thresholds.max_kl = 10;
  options_.thresholds.min_top1 = 1.0;
  EXPECT_TRUE(Verify(options_)->passed());
  options_.thresholds.max_kl = 0.01;
  EXPECT_FALSE(Verify(options_)->passed());
  models_["cand"].peak = -1;
  options_.thresholds.max_kl.reset();
  EXPECT_FALSE(Verify(options_)->passed());
}

TEST_F(VerifyTest, CountsTheGreedyTokensBeforeTheFirstThatDiffers) {
  // The prompt ends with token 0; token 0's logit wins from the fourth position on.
  models_["cand"].poison = 9;
  EXPECT_EQ(Verify(options_)->results[0].greedy->same, 0U);
}

TEST_F(VerifyTest, RefusesAnotherVocabulary) {
  models_["cand"].vocabulary = 9;
  const auto result = Verify(options_);
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("cand: its vocabulary has 9 tokens, that of the reference ref has 8"));
}

TEST_F(VerifyTest, RefusesAnotherNumberOfCaches) {
  models_["cand"].cache = false;
  const auto result = Verify(options_);
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("0 key-value caches"));
}

TEST_F(VerifyTest, RefusesTokensOutOfRangeAndMissingOnes) {
  folder_.Write("tokens.txt", "1 2 8");
  auto result = Verify(options_);
  EXPECT_EQ(KindOf(result.status()), ErrorKind::kUsage);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("token 3 is 8"));
  options_.tokens = "";
  EXPECT_EQ(KindOf(Verify(options_).status()), ErrorKind::kUsage);
}

TEST_F(VerifyTest, ListsACandidateThatDoesNotLoadAmongTheResults) {
  options_.candidates = {"missing", "cand"};
  const auto result = Verify(options_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->results[0].error, HasSubstr("does not load"));
  EXPECT_FALSE(result->results[0].passed());
  EXPECT_TRUE(result->results[1].passed());
}

TEST_F(VerifyTest, ComparesInBatchesWithTheSameResult) {
  models_["other"] = {.peak = 2};
  options_.candidates = {"cand", "other"};
  const auto together = Verify(options_);
  options_.memory = 0;
  const auto apart = Verify(options_);
  ASSERT_TRUE(together.ok() && apart.ok());
  EXPECT_EQ(FiguresOf(*together), FiguresOf(*apart));
}

TEST_F(VerifyTest, ReadsTextThatTheReferenceWritesItselfTheSameEachTime) {
  options_.tokens = "self";
  options_.count = 20;
  const auto first = Verify(options_);
  const auto second = Verify(options_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->tokens, 20U);
  EXPECT_EQ(FiguresOf(*first), FiguresOf(*second));
  options_.inputs.seed = 1;
  EXPECT_NE(FiguresOf(*first), FiguresOf(*Verify(options_)));
}

TEST_F(VerifyTest, RefusesToCompareNothing) {
  const auto refusal = [this] {
    const absl::Status status = Verify(options_).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kUsage);
    return std::string(status.message());
  };
  options_.thresholds.max_error = 1;
  EXPECT_THAT(refusal(), HasSubstr("--max-error is for models without logits"));
  options_.providers.clear();
  EXPECT_THAT(refusal(), HasSubstr("there are no providers"));
  options_.candidates.clear();
  EXPECT_THAT(refusal(), HasSubstr("there are no candidates"));
}

TEST_F(VerifyTest, StopsWheneverItIsAskedTo) {
  int asked = 0;
  options_.cancelled = [&asked] { return ++asked < 0; };
  ASSERT_TRUE(Verify(options_).ok());
  const int times = asked;
  EXPECT_GT(times, 2 * static_cast<int>(options_.greedy));
  for (int last = 1; last <= times; ++last) {
    asked = 0;
    options_.cancelled = [&asked, last] { return ++asked == last; };
    EXPECT_EQ(KindOf(Verify(options_).status()), ErrorKind::kCancelled) << last;
    EXPECT_EQ(asked, last);
  }
}

}  // namespace
}  // namespace onnxquant
