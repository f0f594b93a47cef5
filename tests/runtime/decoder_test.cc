#include "lib/runtime/decoder.h"

#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Dimension kOpen = {-1, "n"};
const ValueSignature kIds = {"input_ids", ElementType::kInt64, {kOpen, kOpen}};
const ValueSignature kLogits = {"logits", ElementType::kFloat, {kOpen, kOpen, {4, ""}}};

ValueSignature Cache(const std::string& name) {
  return {name, ElementType::kFloat16, {kOpen, {2, ""}, kOpen, {8, ""}}};
}

// Records what it is given. Caches grow by the number of tokens; those of an encoder are given in
// the first step only, as merged decoders do.
class RecordingRunner : public Runner {
 public:
  using Calls = std::vector<std::map<std::string, Tensor>>;
  RecordingRunner(Signature signature, Calls* calls)
      : signature_(std::move(signature)), calls_(calls) {}

  const Signature& signature() const override { return signature_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    calls_->emplace_back();
    for (const NamedTensor& input : inputs) calls_->back()[input.name] = input.tensor;
    const bool first = calls_->size() == 1;
    const std::int64_t count = inputs[0].tensor.dims()[1];
    std::vector<Tensor> results;
    for (const std::string& output : outputs) {
      if (output == "logits") {
        results.push_back(
            Tensor::OfFloats(ElementType::kFloat, {1, count, 4},
                             std::vector<float>(4 * static_cast<std::size_t>(count))));
      } else if (output == "present.0.encoder.key") {
        results.push_back(Grown(first ? 6 : 0));
      } else {
        results.push_back(Grown(calls_->back().at("past_key_values.0.key").dims()[2] + count));
      }
    }
    return results;
  }

 private:
  static Tensor Grown(std::int64_t length) {
    return Tensor::OfFloats(ElementType::kFloat16, {1, 2, length, 8},
                            std::vector<float>(static_cast<std::size_t>(16 * length)));
  }

  Signature signature_;
  Calls* calls_;
};

class DecoderTest : public ::testing::Test {
 protected:
  Decoder Make(const Signature& signature) {
    auto decoder = Decoder::Create(std::make_unique<RecordingRunner>(signature, &calls_), {});
    EXPECT_TRUE(decoder.ok()) << decoder.status();
    return *std::move(decoder);
  }
  std::vector<std::int64_t> Given(std::size_t call, const std::string& name) {
    const Tensor& tensor = calls_.at(call).at(name);
    const auto* values = reinterpret_cast<const std::int64_t*>(tensor.bytes().data());
    return {values, values + tensor.elements()};
  }
  RecordingRunner::Calls calls_;
};

TEST_F(DecoderTest, FeedsTokensMaskPositionsAndTheCacheOfTheStepBefore) {
  Decoder decoder = Make({{kIds,
                           {"attention_mask", ElementType::kInt64, {kOpen, kOpen}},
                           {"position_ids", ElementType::kInt64, {kOpen, kOpen}},
                           Cache("past_key_values.0.key")},
                          {kLogits, Cache("present.0.key")}});
  EXPECT_TRUE(decoder.cached());
  ASSERT_TRUE(decoder.Step({1, 2, 3}, {"logits"}).ok());
  ASSERT_TRUE(decoder.Step({0}, {"logits"}).ok());
  EXPECT_THAT(calls_[0]["past_key_values.0.key"].dims(), ElementsAre(1, 2, 0, 8));
  EXPECT_THAT(Given(0, "input_ids"), ElementsAre(1, 2, 3));
  EXPECT_THAT(Given(0, "position_ids"), ElementsAre(0, 1, 2));
  EXPECT_THAT(calls_[1]["past_key_values.0.key"].dims(), ElementsAre(1, 2, 3, 8));
  EXPECT_THAT(Given(1, "position_ids"), ElementsAre(3));
  EXPECT_THAT(Given(1, "attention_mask"), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(decoder.length(), 4);
  decoder.Reset();
  ASSERT_TRUE(decoder.Step({0}, {"logits"}).ok());
  EXPECT_THAT(calls_[2]["past_key_values.0.key"].dims(), ElementsAre(1, 2, 0, 8));
  EXPECT_THAT(Given(2, "position_ids"), ElementsAre(0));
}

TEST_F(DecoderTest, FeedsSequencesSideBySide) {
  Decoder decoder = Make({{kIds,
                           {"attention_mask", ElementType::kInt64, {kOpen, kOpen}},
                           {"position_ids", ElementType::kInt64, {kOpen, kOpen}},
                           Cache("past_key_values.0.key")},
                          {kLogits, Cache("present.0.key")}});
  EXPECT_TRUE(decoder.TakesBatches());
  EXPECT_EQ(decoder.CacheBytesPerPosition(), 2U * 8U * 2U);
  decoder.Reset(3);
  ASSERT_TRUE(decoder.Step({1, 2, 3, 4, 5, 6}, {"logits"}).ok());
  EXPECT_THAT(calls_[0]["past_key_values.0.key"].dims(), ElementsAre(3, 2, 0, 8));
  EXPECT_THAT(calls_[0]["input_ids"].dims(), ElementsAre(3, 2));
  EXPECT_THAT(Given(0, "input_ids"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Given(0, "position_ids"), ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_EQ(decoder.length(), 2);
  ASSERT_TRUE(decoder.Step({7, 8, 9}, {"logits"}).ok());
  EXPECT_THAT(Given(1, "position_ids"), ElementsAre(2, 2, 2));
  EXPECT_THAT(calls_[1]["attention_mask"].dims(), ElementsAre(3, 3));
  decoder.Reset();
  ASSERT_TRUE(decoder.Step({0}, {"logits"}).ok());
  EXPECT_THAT(calls_[2]["input_ids"].dims(), ElementsAre(1, 1));
}

TEST_F(DecoderTest, RunsSequencesSideBySideAgainWithoutACache) {
  Decoder decoder = Make({{kIds}, {kLogits}});
  decoder.Reset(2);
  ASSERT_TRUE(decoder.Step({1, 2, 3, 4}, {"logits"}).ok());
  ASSERT_TRUE(decoder.Step({5, 6}, {"logits"}).ok());
  EXPECT_THAT(Given(1, "input_ids"), ElementsAre(1, 2, 5, 3, 4, 6));
  EXPECT_EQ(decoder.length(), 3);
}

TEST_F(DecoderTest, TakesNoBatchesWhereOneIsFixedOrMadeUp) {
  EXPECT_FALSE(
      Make({{{"input_ids", ElementType::kInt64, {{1, ""}, kOpen}}}, {kLogits}}).TakesBatches());
  EXPECT_FALSE(Make({{kIds, {"past_key_values.0.key", ElementType::kFloat, {{1, ""}, kOpen}}},
                     {kLogits, Cache("present.0.key")}})
                   .TakesBatches());
  EXPECT_FALSE(
      Make({{kIds, {"encoder_hidden_states", ElementType::kFloat, {kOpen, kOpen, {4, ""}}}},
            {kLogits}})
          .TakesBatches());
}

TEST_F(DecoderTest, RunsEverythingAgainWithoutACache) {
  Decoder decoder =
      Make({{kIds, {"token_type_ids", ElementType::kInt64, {kOpen, kOpen}}}, {kLogits}});
  EXPECT_FALSE(decoder.cached());
  ASSERT_TRUE(decoder.Step({1, 2}, {"logits"}).ok());
  ASSERT_TRUE(decoder.Step({3}, {"logits"}).ok());
  EXPECT_THAT(Given(1, "input_ids"), ElementsAre(1, 2, 3));
  EXPECT_THAT(Given(1, "token_type_ids"), ElementsAre(0, 0, 0));
}

TEST_F(DecoderTest, FeedsAMergedDecoder) {
  Decoder decoder = Make({{kIds,
                           {"encoder_hidden_states", ElementType::kFloat, {kOpen, kOpen, {3, ""}}},
                           {"use_cache_branch", ElementType::kBool, {{1, ""}}},
                           Cache("past_key_values.0.key"),
                           Cache("past_key_values.0.encoder.key")},
                          {kLogits, Cache("present.0.key"), Cache("present.0.encoder.key")}});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(decoder.Step({1}, {"logits"}).ok());
  EXPECT_EQ(calls_[0]["use_cache_branch"].bytes()[0], std::byte{0});
  EXPECT_EQ(calls_[1]["use_cache_branch"].bytes()[0], std::byte{1});
  // Kept from the first step, though the second gave none.
  EXPECT_THAT(calls_[2]["past_key_values.0.encoder.key"].dims(), ElementsAre(1, 2, 6, 8));
  EXPECT_EQ(calls_[0]["encoder_hidden_states"].bytes().data(),
            calls_[2]["encoder_hidden_states"].bytes().data());
}

TEST_F(DecoderTest, MakesUpTheEncodersCacheForADecoderThatOnlyReadsIt) {
  Decoder decoder =
      Make({{kIds, Cache("past_key_values.0.key"), Cache("past_key_values.0.encoder.key")},
            {kLogits, Cache("present.0.key")}});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(decoder.Step({1}, {"logits"}).ok());
  const Tensor& made = calls_[0]["past_key_values.0.encoder.key"];
  EXPECT_GT(made.dims()[2], 0);
  EXPECT_EQ(made.bytes().data(), calls_[1]["past_key_values.0.encoder.key"].bytes().data());
  EXPECT_THAT(calls_[1]["past_key_values.0.key"].dims(), ElementsAre(1, 2, 1, 8));
}

TEST_F(DecoderTest, RefusesModelsItCannotFeed) {
  const auto refusal = [this](const Signature& signature) {
    const auto made = Decoder::Create(std::make_unique<RecordingRunner>(signature, &calls_), {});
    EXPECT_EQ(KindOf(made.status()), ErrorKind::kVerify);
    return std::string(made.status().message());
  };
  EXPECT_THAT(refusal({{{"pixels", ElementType::kFloat, {}}}, {}}),
              HasSubstr("takes no token ids (input_ids or decoder_input_ids); its inputs are pix"));
  EXPECT_THAT(refusal({{kIds, Cache("past_key_values.0.key")}, {kLogits}}),
              HasSubstr("'past_key_values.0.key' has no output 'present.0.key'"));
  EXPECT_THAT(refusal({{kIds, {"past_key_values.0.key", ElementType::kFloat, {{1, ""}}}},
                       {kLogits, Cache("present.0.key")}}),
              HasSubstr("expected floats with an open dimension"));
}

TEST_F(DecoderTest, FindsTheLogitsOfTheLastPositions) {
  const Tensor logits = Tensor::OfFloats(ElementType::kFloat16, {1, 3, 2}, {1, 2, 3, 4, 5, 6});
  const auto rows = LastRows(logits, 2);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->rows, 2U);
  std::vector<float> scratch;
  EXPECT_THAT(rows->Row(0, scratch), ElementsAre(3, 4));
  EXPECT_THAT(rows->Row(1, scratch), ElementsAre(5, 6));
  EXPECT_EQ(LastRows(logits, 9)->rows, 3U);
  EXPECT_FALSE(LastRows(Tensor::OfFloats(ElementType::kFloat, {6}, {1, 2, 3, 4, 5, 6}), 1).ok());
}

}  // namespace
}  // namespace onnxquant
