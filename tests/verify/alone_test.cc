#include "lib/verify/alone.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "tests/support/temp_folder.h"
#include "tests/verify/fake_language_model.h"

namespace onnxquant {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr float kInf = std::numeric_limits<float>::infinity();

class AloneTest : public ::testing::Test {
 protected:
  AloneTest() {
    options_.model = folder_ / "m.onnx";
    options_.factory = FakeFactory(&models_);
    models_[options_.model] = {};
  }

  FakeModel& model() { return models_[options_.model]; }

  AloneResult Run() const {
    auto results = RunAlone(options_);
    EXPECT_TRUE(results.ok()) << results.status();
    if (!results.ok()) return {};
    EXPECT_EQ(results->size(), 1U);
    return results->front();
  }

  TempFolder folder_;
  FakeModels models_;
  AloneOptions options_;
};

TEST_F(AloneTest, PassesAModelThatWritesNumbersAndText) {
  options_.greedy = 4;
  const AloneResult result = Run();
  EXPECT_TRUE(result.passed());
  EXPECT_EQ(result.provider, "cpu");
  EXPECT_EQ(result.nan + result.inf, 0U);
  EXPECT_FALSE(result.repeats_one_token);
  // The built-in prompt ends with token 563, which is 3 of 8; each token is followed by the next.
  EXPECT_THAT(result.text, ElementsAre(4, 5, 6, 7));
}

TEST_F(AloneTest, FailsAModelWithNanAndSaysWhereItBegins) {
  model().poison = std::numeric_limits<float>::quiet_NaN();
  const AloneResult result = Run();
  EXPECT_EQ(result.nan, 3U);  // positions 3, 4 and 5 of the prompt
  // What it then writes says nothing of its own.
  EXPECT_THAT(result.failures, ElementsAre("NaN or Inf"));
  EXPECT_FALSE(result.repeats_one_token);
  // There is no such file, so that it cannot be looked into; that keeps nothing back.
  EXPECT_THAT(result.first_bad, HasSubstr("cannot be traced"));
  options_.trace = false;
  EXPECT_EQ(Run().first_bad, "");
}

TEST_F(AloneTest, FailsAModelWithInfButNotOneThatMasksItsLogits) {
  model().poison = kInf;
  EXPECT_EQ(Run().inf, 3U);
  EXPECT_FALSE(Run().passed());
  model().poison = -kInf;
  EXPECT_EQ(Run().inf, 0U);
  EXPECT_TRUE(Run().passed());
}

TEST_F(AloneTest, FailsAModelThatWritesOneTokenOnly) {
  model().endless = 6;
  const AloneResult result = Run();
  EXPECT_TRUE(result.repeats_one_token);
  EXPECT_EQ(result.token, 6);
  EXPECT_THAT(result.text, Each(6));
  EXPECT_THAT(result.failures, ElementsAre("it writes nothing but token 6"));
}

TEST_F(AloneTest, DrawsNothingFromAFewEqualTokens) {
  model().endless = 6;
  options_.greedy = 7;
  EXPECT_FALSE(Run().repeats_one_token);
  EXPECT_TRUE(Run().passed());
  options_.greedy = 0;
  EXPECT_THAT(Run().text, IsEmpty());
}

TEST_F(AloneTest, OnlySaysThatATextEndsInOneToken) {
  model().sink = 7;  // 4, 5, 6, 7, 7, 7 …
  const AloneResult result = Run();
  EXPECT_TRUE(result.repeats_one_token);
  EXPECT_EQ(result.token, 7);
  EXPECT_TRUE(result.passed());
}

TEST_F(AloneTest, ListsAModelThatDoesNotLoadAmongTheResults) {
  models_.clear();
  options_.providers = {"cpu", "webgpu"};
  const auto results = RunAlone(options_);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 2U);
  EXPECT_EQ((*results)[1].provider, "webgpu");
  EXPECT_THAT((*results)[1].error, HasSubstr("does not load"));
  EXPECT_THAT((*results)[1].failures, ElementsAre("it does not run"));
}

TEST_F(AloneTest, ReturnsWhatIsWrongWithTheQuestion) {
  options_.tokens = folder_ / "missing.txt";
  EXPECT_EQ(KindOf(RunAlone(options_).status()), ErrorKind::kUsage);
  folder_.Write("tokens.txt", "1 2 8");
  options_.tokens = folder_ / "tokens.txt";
  EXPECT_THAT(std::string(RunAlone(options_).status().message()), HasSubstr("token 3 is 8"));
  options_.providers.clear();
  EXPECT_THAT(std::string(RunAlone(options_).status().message()), HasSubstr("no providers"));
}

TEST_F(AloneTest, ReadsTokensOfAFileAndItsOwnText) {
  model().poison = kInf;
  options_.trace = false;
  folder_.Write("tokens.txt", "1 2 3 4 5 6 7");
  options_.tokens = folder_ / "tokens.txt";
  EXPECT_EQ(Run().inf, 4U);
  options_.count = 5;
  EXPECT_EQ(Run().inf, 2U);
  options_.tokens = "self";
  EXPECT_EQ(Run().inf, 2U);
}

TEST_F(AloneTest, StopsWheneverItIsAskedTo) {
  int asked = 0;
  options_.cancelled = [&asked] { return ++asked < 0; };
  ASSERT_TRUE(Run().passed());
  const int times = asked;
  EXPECT_GT(times, static_cast<int>(options_.greedy));
  for (int last = 1; last <= times; ++last) {
    asked = 0;
    options_.cancelled = [&asked, last] { return ++asked == last; };
    EXPECT_EQ(KindOf(RunAlone(options_).status()), ErrorKind::kCancelled) << last;
  }
}

// y = one number, of a model without tokens.
class NumberRunner : public Runner {
 public:
  explicit NumberRunner(ElementType type, float number) : type_(type), number_(number) {
    signature_.outputs = {{"y", type, {{1, ""}}}};
  }
  const Signature& signature() const override { return signature_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor>,
                                          absl::Span<const std::string>) override {
    if (!IsFloat(type_)) return std::vector<Tensor>{Tensor::OfIntegers(type_, {1}, {1})};
    return std::vector<Tensor>{Tensor::OfFloats(type_, {1}, {number_})};
  }

 private:
  ElementType type_;
  float number_;
  Signature signature_;
};

TEST_F(AloneTest, LooksAtTheOutputsOfAModelWithoutTokens) {
  options_.trace = false;
  const auto run = [this](ElementType type, float number) {
    options_.factory = [=](const ModelSource&, const RunnerOptions&) {
      return absl::StatusOr<std::unique_ptr<Runner>>(std::make_unique<NumberRunner>(type, number));
    };
    return Run();
  };
  EXPECT_TRUE(run(ElementType::kFloat16, 1).passed());
  EXPECT_EQ(run(ElementType::kFloat16, kInf).inf, 1U);
  EXPECT_TRUE(run(ElementType::kFloat, -kInf).passed());
  EXPECT_TRUE(run(ElementType::kInt64, 1).passed());
}

TEST(BuiltInPromptTest, FitsEveryVocabulary) {
  EXPECT_THAT(BuiltInPrompt(-1, 262144), ElementsAre(2, 818, 5279, 529, 7001, 563));
  EXPECT_THAT(BuiltInPrompt(9, 1000), ElementsAre(9, 818, 279, 529, 1, 563));
  EXPECT_THAT(BuiltInPrompt(5, 3), Each(::testing::Lt(3)));
  EXPECT_THAT(BuiltInPrompt(-1, -1), Each(::testing::Lt(256)));
}

TEST_F(AloneTest, PrintsJson) {
  model().endless = 6;
  const auto json = nlohmann::json::parse(ToJson(std::vector<AloneResult>{Run()}));
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0]["provider"], "cpu");
  EXPECT_EQ(json[0]["passed"], false);
  EXPECT_EQ(json[0]["repeats"], 6);
  EXPECT_EQ(json[0]["text"].size(), 16U);
  EXPECT_FALSE(json[0].contains("error"));
}

}  // namespace
}  // namespace onnxquant
