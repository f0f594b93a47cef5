#include "lib/runtime/padding.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Tensor Ones(ElementType type, std::vector<std::int64_t> dims) {
  std::int64_t count = 1;
  for (const std::int64_t dim : dims) count *= dim;
  return Tensor::OfIntegers(type, std::move(dims),
                            std::vector<std::int64_t>(static_cast<std::size_t>(count), 1));
}

TEST(PaddingTest, PadsAQuarterOfEachRowAtItsEndOrBeginning) {
  const Tensor mask = Ones(ElementType::kInt64, {2, 8});
  EXPECT_THAT(KeptPositions(&mask, {2, 8, 3}), IsEmpty());
  const Tensor right = WithPadding(mask, Padding::kRightFirst);
  EXPECT_EQ(right.type(), ElementType::kInt64);
  EXPECT_THAT(KeptPositions(&right, {2, 8, 3}),
              ElementsAre(true, true, true, true, true, true, false, false,  //
                          false, false, true, true, true, true, true, true));
  const Tensor left = WithPadding(Ones(ElementType::kBool, {1, 3}), Padding::kLeftFirst);
  EXPECT_THAT(KeptPositions(&left, {1, 3}), ElementsAre(false, true, true));
  EXPECT_EQ(WithPadding(mask, Padding::kNone).bytes().data(), mask.bytes().data());
}

TEST(PaddingTest, PadsImagesColumnByColumn) {
  const Tensor mask = WithPadding(Ones(ElementType::kInt64, {1, 2, 4}), Padding::kRightFirst);
  EXPECT_THAT(KeptPositions(&mask, {1, 2, 4}),
              ElementsAre(true, true, true, false, true, true, true, false));
}

TEST(PaddingTest, LeavesRowsOfOneElement) {
  const Tensor mask = Ones(ElementType::kInt64, {2, 1});
  const Tensor padded = WithPadding(mask, Padding::kRightFirst);
  EXPECT_THAT(KeptPositions(&padded, {2, 1}), IsEmpty());
}

TEST(PaddingTest, SaysNothingOfTensorsThatDoNotBeginAsTheMask) {
  const Tensor mask = WithPadding(Ones(ElementType::kInt32, {2, 4}), Padding::kRightFirst);
  EXPECT_THAT(KeptPositions(&mask, {2, 5, 4}), IsEmpty());
  EXPECT_THAT(KeptPositions(&mask, {2}), IsEmpty());
  EXPECT_THAT(KeptPositions(nullptr, {2, 4}), IsEmpty());
}

TEST(PaddingTest, TakesTheRowsThatAreKept) {
  const Tensor mask = Tensor::OfIntegers(ElementType::kInt64, {1, 3}, {1, 0, 1});
  const Tensor rows = Tensor::OfFloats(ElementType::kFloat, {1, 3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor kept = KeptRows(&mask, rows);
  EXPECT_THAT(kept.dims(), ElementsAre(2, 2));
  std::vector<float> scratch;
  EXPECT_THAT(kept.Floats(0, 4, scratch), ElementsAre(1, 2, 5, 6));
  EXPECT_EQ(KeptRows(nullptr, rows).bytes().data(), rows.bytes().data());
  const Tensor flat = Tensor::OfFloats(ElementType::kFloat, {1, 3}, {1, 2, 3});
  EXPECT_THAT(KeptRows(&mask, flat).dims(), ElementsAre(1, 3));
}

TEST(PaddingTest, FindsMasksOfIntegersByName) {
  const Tensor ones = Ones(ElementType::kInt64, {1, 4});
  const std::vector<NamedTensor> inputs = {
      {"x", ones}, {"bool_masked_pos", ones}, {"decoder_attention_mask", ones}};
  EXPECT_EQ(FindMask(inputs), &inputs[2].tensor);
  EXPECT_EQ(FindMask(absl::MakeConstSpan(inputs).subspan(0, 2)), nullptr);
  const std::vector<NamedTensor> floats = {{"attention_mask", Ones(ElementType::kFloat, {1, 4})}};
  EXPECT_EQ(FindMask(floats), nullptr);
}

}  // namespace
}  // namespace onnxquant
