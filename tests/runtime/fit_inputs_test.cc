#include "lib/runtime/fit_inputs.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Dimension kBatch = {-1, "batch"};
const Dimension kLength = {-1, "length"};
const Signature kVision = {{{"pixels", ElementType::kFloat, {kBatch, {3, ""}, kLength}},
                            {"sizes", ElementType::kInt64, {kBatch}}},
                           {}};
const Signature kText = {
    {{"input_ids", ElementType::kInt64, {kBatch, kLength}},
     {"attention_mask", ElementType::kInt64, {kBatch, {-1, "total"}}},
     {"position_ids", ElementType::kInt64, {kBatch, kLength}},
     {"past_key_values.0.key", ElementType::kFloat, {kBatch, {2, ""}, {-1, "past"}, {4, ""}}}},
    {}};

Tensor Floats(std::vector<std::int64_t> dims) {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return Tensor::OfFloats(ElementType::kFloat, std::move(dims), std::vector<float>(count, 0.5F));
}

Tensor Integers(std::vector<std::int64_t> dims) {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return Tensor::OfIntegers(ElementType::kInt64, std::move(dims),
                            std::vector<std::int64_t>(count, 300));
}

std::string Refusal(const Signature& signature, const InputSet& set, bool strict = true) {
  const auto fitted = FitInputs("m.onnx", signature, set, {}, strict);
  EXPECT_EQ(KindOf(fitted.status()), ErrorKind::kUsage);
  return std::string(fitted.status().message());
}

TEST(FitInputsTest, GivesArraysInTheSignaturesOrderAndTypes) {
  InputSet set{"a.npz", {{"sizes", Integers({2})}, {"pixels", Floats({2, 3, 5})}}};
  const auto fitted = FitInputs("m.onnx", kVision, set, {}, true);
  ASSERT_TRUE(fitted.ok()) << fitted.status();
  EXPECT_EQ(fitted->inputs[0].name, "pixels");
  EXPECT_THAT(fitted->inputs[0].tensor.dims(), ElementsAre(2, 3, 5));
  EXPECT_THAT(fitted->made_up, IsEmpty());
  Signature half = kVision;
  half.inputs[0].type = ElementType::kFloat16;
  half.inputs[1].type = ElementType::kInt32;
  const auto rounded = FitInputs("m.onnx", half, set, {}, true);
  ASSERT_TRUE(rounded.ok());
  EXPECT_EQ(rounded->inputs[0].tensor.type(), ElementType::kFloat16);
  EXPECT_EQ(rounded->inputs[1].tensor.type(), ElementType::kInt32);
}

TEST(FitInputsTest, NamesWhatDoesNotFit) {
  const NamedTensor sizes{"sizes", Integers({1})};
  EXPECT_THAT(Refusal(kVision, {"a.npz", {{"pixels", Floats({1, 4, 5})}, sizes}}),
              HasSubstr("a.npz: input 'pixels' of m.onnx is float32[batch, 3, length]; found "
                        "float32[1, 4, 5]"));
  EXPECT_THAT(Refusal(kVision, {"a.npz", {{"pixels", Floats({3, 5})}, sizes}}),
              HasSubstr("found float32[3, 5]"));
  EXPECT_THAT(Refusal(kVision, {"a.npz", {{"pixels", Integers({1, 3, 5})}, sizes}}),
              HasSubstr("found int64[1, 3, 5]; give it as numpy's float32"));
  Signature bytes = kVision;
  bytes.inputs[1].type = ElementType::kUint8;
  EXPECT_THAT(Refusal(bytes, {"a.npz", {{"pixels", Floats({1, 3, 5})}, sizes}}),
              HasSubstr("found int64[1], with numbers that do not fit"));
}

TEST(FitInputsTest, SuggestsTheNameThatWasMeant) {
  EXPECT_THAT(Refusal(kVision, {"a.npz", {{"pixel", Floats({1, 3, 5})}}}),
              HasSubstr("has no input of that name; did you mean 'pixels'?"));
  EXPECT_THAT(Refusal(kVision, {"a.npz", {{"arr_0", Floats({1, 3, 5})}}}),
              HasSubstr("its inputs are pixels, sizes"));
  EXPECT_THAT(
      Refusal(kVision, {"a.npz", {{"pixels", Floats({1, 3, 5})}}}),
      HasSubstr("holds no array 'sizes', which m.onnx takes as int64[batch]; it holds pix"));
}

TEST(FitInputsTest, LeavesOutWhatACandidateDoesNotTake) {
  const InputSet set{"a.npz",
                     {{"pixels", Floats({1, 3, 5})}, {"sizes", Integers({1})}, {"z", Floats({1})}}};
  EXPECT_TRUE(FitInputs("m.onnx", kVision, set, {}, false).ok());
  EXPECT_THAT(Refusal(kVision, set), HasSubstr("holds an array 'z'"));
}

TEST(FitInputsTest, LeavesOutTheTokenTypesThatTokenizersAlwaysGive) {
  const InputSet set{"a.npz",
                     {{"input_ids", Integers({1, 3})}, {"token_type_ids", Integers({1, 3})}}};
  EXPECT_TRUE(FitInputs("m.onnx", kText, set, {}, true).ok());
}

TEST(FitInputsTest, GivesAnArrayWithoutNameToTheOneInputThatNothingElseTells) {
  const InputSet set{"a.npy", {{"", Integers({2, 3})}}};
  const auto fitted = FitInputs("m.onnx", kText, set, {}, true);
  ASSERT_TRUE(fitted.ok()) << fitted.status();
  EXPECT_THAT(fitted->inputs[0].tensor.dims(), ElementsAre(2, 3));
  EXPECT_THAT(Refusal(kVision, {"a.npy", {{"", Floats({1})}}}),
              HasSubstr("takes several inputs: pixels, sizes; give them by name in a .npz file"));
}

TEST(FitInputsTest, MakesUpMasksPositionsAndCachesToMatch) {
  const auto fitted =
      FitInputs("m.onnx", kText, {"a.npz", {{"input_ids", Integers({2, 3})}}}, {}, true);
  ASSERT_TRUE(fitted.ok());
  EXPECT_THAT(fitted->made_up,
              ElementsAre("attention_mask", "position_ids", "past_key_values.0.key"));
  EXPECT_THAT(fitted->inputs[1].tensor.dims(), ElementsAre(2, 3));
  EXPECT_THAT(fitted->inputs[3].tensor.dims(), ElementsAre(2, 2, 0, 4));
  const auto later = FitInputs(
      "m.onnx", kText,
      {"a.npz", {{"input_ids", Integers({1, 3})}, {"past_key_values.0.key", Floats({1, 2, 5, 4})}}},
      {}, true);
  ASSERT_TRUE(later.ok());
  EXPECT_THAT(later->inputs[1].tensor.dims(), ElementsAre(1, 8));
  const auto* positions =
      reinterpret_cast<const std::int64_t*>(later->inputs[2].tensor.bytes().data());
  EXPECT_EQ(positions[0], 5);
}

TEST(FitInputsTest, MakesUpMasksOfOtherModelsBySymbol) {
  const Signature sound = {{{"samples", ElementType::kFloat, {kBatch, kLength}},
                            {"attention_mask", ElementType::kInt32, {kBatch, kLength}}},
                           {}};
  const auto fitted =
      FitInputs("m.onnx", sound, {"a.npz", {{"samples", Floats({2, 7})}}}, {}, true);
  ASSERT_TRUE(fitted.ok());
  EXPECT_THAT(fitted->inputs[1].tensor.dims(), ElementsAre(2, 7));
}

}  // namespace
}  // namespace onnxquant
