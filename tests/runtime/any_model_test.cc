#include "lib/runtime/any_model.h"

#include <map>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Dimension kBatch = {-1, "batch"};
const Dimension kLength = {-1, "length"};
const Signature kEncoder = {{{"input_ids", ElementType::kInt64, {kBatch, kLength}},
                             {"attention_mask", ElementType::kInt64, {kBatch, kLength}},
                             {"token_type_ids", ElementType::kInt64, {kBatch, kLength}}},
                            {{"hidden", ElementType::kFloat, {kBatch, kLength, {4, ""}}}}};

// Keeps what it is given.
class Recorder : public Runner {
 public:
  using Inputs = std::map<std::string, Tensor>;
  Recorder(Signature signature, Inputs* inputs)
      : signature_(std::move(signature)), inputs_(inputs) {}
  const Signature& signature() const override { return signature_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const NamedTensor> inputs,
                                          absl::Span<const std::string> outputs) override {
    for (const NamedTensor& input : inputs) (*inputs_)[input.name] = input.tensor;
    return std::vector<Tensor>(outputs.size());
  }

 private:
  Signature signature_;
  Inputs* inputs_;
};

Recorder::Inputs InputsFor(const Signature& signature, const Sample& sample,
                           const InputOptions& options = {}) {
  Recorder::Inputs inputs;
  auto model = AnyModel::Create(std::make_unique<Recorder>(signature, &inputs), options);
  EXPECT_TRUE(model.ok());
  const auto ran = model->Run(sample, {"hidden"});
  EXPECT_TRUE(ran.ok()) << ran.status();
  return inputs;
}

std::vector<std::int64_t> Integers(const Tensor& tensor) {
  const auto* values = reinterpret_cast<const std::int64_t*>(tensor.bytes().data());
  return {values, values + tensor.elements()};
}

TEST(AnyModelTest, ReadsATextAsItIs) {
  const auto inputs = InputsFor(kEncoder, {{5, 6, 7}, nullptr, Padding::kNone});
  EXPECT_THAT(Integers(inputs.at("input_ids")), ElementsAre(5, 6, 7));
  EXPECT_THAT(Integers(inputs.at("attention_mask")), ElementsAre(1, 1, 1));
}

TEST(AnyModelTest, ReadsATextTwiceWithPaddingOnBothSides) {
  const Sample sample{{1, 2, 3, 4, 5, 6, 7, 8, 9}, nullptr, Padding::kRightFirst};
  const auto inputs = InputsFor(kEncoder, sample);
  EXPECT_THAT(inputs.at("input_ids").dims(), ElementsAre(2, 9));
  EXPECT_THAT(Integers(inputs.at("attention_mask")),
              ElementsAre(1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(inputs.at("token_type_ids").dims(), ElementsAre(2, 9));
}

TEST(AnyModelTest, KeepsToTheSizesThatAModelFixes) {
  Signature fixed = kEncoder;
  for (ValueSignature& input : fixed.inputs) input.dims = {{1, ""}, {12, ""}};
  const auto inputs = InputsFor(fixed, {{1, 2}, nullptr, Padding::kLeftFirst});
  EXPECT_THAT(inputs.at("input_ids").dims(), ElementsAre(1, 12));
  EXPECT_THAT(Integers(inputs.at("attention_mask")),
              ElementsAre(0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1));
}

TEST(AnyModelTest, MakesUpRowsOfOtherModelsWithPadding) {
  Signature sound = {{{"samples", ElementType::kFloat, {kBatch, kLength}},
                      {"attention_mask", ElementType::kInt64, {kBatch, kLength}}},
                     kEncoder.outputs};
  const auto inputs =
      InputsFor(sound, {{}, nullptr, Padding::kRightFirst}, {.dims = {{"length", 4}}});
  EXPECT_THAT(inputs.at("samples").dims(), ElementsAre(2, 4));
  EXPECT_THAT(Integers(inputs.at("attention_mask")), ElementsAre(1, 1, 1, 0, 0, 1, 1, 1));
}

TEST(AnyModelTest, RunsALanguageModelOnArraysAsOthers) {
  const auto set = std::make_shared<InputSet>();
  set->origin = "a.npz";
  set->arrays.push_back(
      {"input_ids", Tensor::OfIntegers(ElementType::kInt64, {3, 2}, {1, 2, 3, 4, 5, 6})});
  const auto inputs = InputsFor(kEncoder, {{}, set, Padding::kNone});
  EXPECT_THAT(inputs.at("input_ids").dims(), ElementsAre(3, 2));
  EXPECT_THAT(inputs.at("attention_mask").dims(), ElementsAre(3, 2));
}

}  // namespace
}  // namespace onnxquant
