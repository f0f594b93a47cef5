#include "lib/runtime/batch_text.h"

#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/runtime/random.h"
#include "lib/runtime/self_text.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kVocabulary = 6;

// Its logits hang on the newest token and on the cache, which holds the sum of all before; "seen"
// is that sum.
class SummingRunner : public Runner {
 public:
  explicit SummingRunner(bool cache, float poison = 0) : cache_(cache), poison_(poison) {
    const Dimension open{-1, "n"};
    signature_.inputs = {{"input_ids", ElementType::kInt64, {open, open}}};
    signature_.outputs = {{"logits", ElementType::kFloat, {open, open, {kVocabulary, ""}}},
                          {"seen", ElementType::kFloat, {open, open}}};
    if (!cache) return;
    signature_.inputs.push_back({"past_key_values.0.key", ElementType::kFloat, {open, open}});
    signature_.outputs.push_back({"present.0.key", ElementType::kFloat, {open, open}});
  }
  const Signature& signature() const override { return signature_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    const Tensor& ids = inputs[0].tensor;
    const std::int64_t batch = ids.dims()[0];
    const std::int64_t count = ids.dims()[1];
    const std::int64_t past = cache_ ? inputs[1].tensor.dims()[1] : 0;
    std::vector<float> scratch;
    std::vector<float> logits;
    std::vector<float> seen;
    std::vector<float> present;
    for (std::int64_t b = 0; b < batch; ++b) {
      float sum = 0;
      for (std::int64_t i = 0; i < past; ++i) {
        const float value =
            inputs[1].tensor.Floats(static_cast<std::size_t>(b * past + i), 1, scratch)[0];
        present.push_back(value);
        sum += value;
      }
      for (std::int64_t i = 0; i < count; ++i) {
        const auto id = reinterpret_cast<const std::int64_t*>(ids.bytes().data())[b * count + i];
        present.push_back(static_cast<float>(id));
        sum += static_cast<float>(id);
        seen.push_back(sum);
        for (std::int64_t v = 0; v < kVocabulary; ++v) {
          logits.push_back(std::sin(sum * static_cast<float>(v + 1)) + poison_);
        }
      }
    }
    std::vector<Tensor> results;
    for (const std::string& output : outputs) {
      results.push_back(
          output == "logits"
              ? Tensor::OfFloats(ElementType::kFloat, {batch, count, kVocabulary}, logits)
          : output == "seen"
              ? Tensor::OfFloats(ElementType::kFloat, {batch, count}, seen)
              : Tensor::OfFloats(ElementType::kFloat, {batch, past + count}, present));
    }
    return results;
  }

 private:
  Signature signature_;
  bool cache_;
  float poison_;
};

Decoder Make(bool cache, float poison = 0) {
  auto decoder = Decoder::Create(std::make_unique<SummingRunner>(cache, poison), {});
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  return *std::move(decoder);
}

TokenSequences Write(Decoder decoder, const BatchText& text) {
  const auto written = WriteBatch(decoder, text, {});
  EXPECT_TRUE(written.ok()) << written.status();
  return written.value_or(TokenSequences());
}

TEST(BatchText, HangsOnSeedAndNumberAndNotOnWhatIsWrittenBeside) {
  const TokenSequences all =
      Write(Make(true), {.start = 2, .sequences = 4, .length = 30, .seed = 7});
  ASSERT_EQ(all.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i].size(), 30U);
    EXPECT_EQ(all[i][0], 2);
    EXPECT_EQ(Write(Make(true), {.start = 2, .first = i, .length = 30, .seed = 7})[0], all[i]);
    EXPECT_EQ(Write(Make(false), {.start = 2, .first = i, .length = 30, .seed = 7})[0], all[i]);
  }
  EXPECT_NE(all[0], all[1]);
  EXPECT_NE(Write(Make(true), {.start = 2, .length = 30, .seed = 8})[0], all[0]);
  // Without a cache, too, side by side.
  EXPECT_EQ(Write(Make(false), {.start = 2, .sequences = 4, .length = 30, .seed = 7}), all);
}

TEST(BatchText, ShowsEachTokenOnceToAVisitor) {
  std::vector<float> seen(3, 0);
  std::size_t steps = 0;
  BatchText text{.start = 1, .sequences = 3, .length = 9, .seed = 3};
  text.visit = [&](absl::Span<const Tensor> values) {
    EXPECT_EQ(values.size(), 1U);
    EXPECT_EQ(values[0].elements(), 3U);
    std::vector<float> scratch;
    const auto floats = values[0].Floats(0, 3, scratch);
    seen.assign(floats.begin(), floats.end());
    ++steps;
    return absl::OkStatus();
  };
  Decoder decoder = Make(true);
  const auto written = WriteBatch(decoder, text, {"seen"});
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(steps, 9U);
  for (std::size_t i = 0; i < 3; ++i) {
    float sum = 0;
    for (const std::int64_t token : (*written)[i]) sum += static_cast<float>(token);
    EXPECT_EQ(seen[i], sum);
  }
}

TEST(BatchText, StopsWhereTheVisitorOrTheUserSaysSo) {
  Decoder decoder = Make(true);
  BatchText text;
  text.visit = [](absl::Span<const Tensor>) { return UsageError("enough"); };
  EXPECT_EQ(WriteBatch(decoder, text, {}).status().message(), "enough");
  text.visit = nullptr;
  text.cancelled = [] { return true; };
  EXPECT_EQ(KindOf(WriteBatch(decoder, text, {}).status()), ErrorKind::kCancelled);
}

TEST(BatchText, IsRefusedWhereLogitsAreNoNumbers) {
  Decoder decoder = Make(true, std::numeric_limits<float>::quiet_NaN());
  const auto written = WriteBatch(decoder, {}, {});
  EXPECT_EQ(KindOf(written.status()), ErrorKind::kVerify);
  EXPECT_THAT(written.status().message(), HasSubstr("its logits are NaN or infinite"));
}

TEST(SampleFast, DrawsAsTheSlowOneDoes) {
  Random random(1, "logits");
  for (const std::size_t size : {1U, 5U, 1023U, 1024U, 1025U, 5000U}) {
    std::vector<float> logits(size);
    for (float& logit : logits) logit = static_cast<float>(3 * random.Normal());
    int same = 0;
    for (int i = 0; i < 200; ++i) {
      const double uniform = random.Uniform();
      const auto fast = SampleFast(logits, uniform);
      ASSERT_TRUE(fast.has_value());
      same += *fast == SampleIndex(logits, uniform) ? 1 : 0;
    }
    // Where a draw falls between two, rounding decides.
    EXPECT_GE(same, 198) << size;
  }
}

TEST(SampleFast, DrawsByTheProbabilitiesOfTheSoftmax) {
  const std::vector<float> logits = {std::log(2.0F), 0, -std::numeric_limits<float>::infinity(), 0};
  EXPECT_EQ(SampleFast(logits, 0), 0U);
  EXPECT_EQ(SampleFast(logits, 0.49), 0U);
  EXPECT_EQ(SampleFast(logits, 0.51), 1U);
  EXPECT_EQ(SampleFast(logits, 0.76), 3U);
  EXPECT_EQ(SampleFast(logits, 0.99999999), 3U);
  EXPECT_EQ(SampleFast({5, -200, -300}, 1.0), 0U);
}

TEST(SampleFast, DrawsNothingOfWhatIsNoNumber) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(SampleFast({1, std::numeric_limits<float>::quiet_NaN(), 2}, 0.5).has_value());
  EXPECT_FALSE(SampleFast({1, kInf}, 0.5).has_value());
  EXPECT_FALSE(SampleFast({-kInf, -kInf}, 0.5).has_value());
}

}  // namespace
}  // namespace onnxquant
