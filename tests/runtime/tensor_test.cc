#include "lib/runtime/tensor.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

std::vector<float> Values(const Tensor& tensor, std::size_t first, std::size_t count) {
  std::vector<float> scratch;
  const absl::Span<const float> values = tensor.Floats(first, count, scratch);
  return {values.begin(), values.end()};
}

TEST(TensorTest, ReadsEveryFloatTypeAsFloat32) {
  for (const ElementType type :
       {ElementType::kFloat, ElementType::kFloat16, ElementType::kBFloat16, ElementType::kDouble}) {
    const Tensor tensor = Tensor::OfFloats(type, {2, 2}, {1, -2, 0.5F, 4});
    EXPECT_TRUE(tensor.is_float()) << NameOf(type);
    EXPECT_EQ(tensor.elements(), 4U);
    EXPECT_THAT(Values(tensor, 1, 2), ElementsAre(-2, 0.5F)) << NameOf(type);
  }
}

TEST(TensorTest, SharesFloat32InsteadOfCopyingIt) {
  const Tensor tensor = Tensor::OfFloats(ElementType::kFloat, {2}, {1, 2});
  std::vector<float> scratch;
  EXPECT_EQ(static_cast<const void*>(tensor.Floats(0, 2, scratch).data()), tensor.bytes().data());
  EXPECT_TRUE(scratch.empty());
}

TEST(TensorTest, StoresIntegersInTheTypeAskedFor) {
  EXPECT_EQ(Tensor::OfIntegers(ElementType::kInt64, {3}, {1, 2, 3}).bytes().size(), 24U);
  EXPECT_EQ(Tensor::OfIntegers(ElementType::kInt32, {3}, {1, 2, 3}).bytes().size(), 12U);
  const Tensor bits = Tensor::OfIntegers(ElementType::kBool, {3}, {0, 7, 1});
  EXPECT_THAT(bits.bytes(), ElementsAre(std::byte{0}, std::byte{1}, std::byte{1}));
  const Tensor floats = Tensor::OfIntegers(ElementType::kFloat, {2}, {1, 0});
  EXPECT_THAT(Values(floats, 0, 2), ElementsAre(1, 0));
}

TEST(TensorTest, GivesNoTensorForTypesItCannotMake) {
  EXPECT_EQ(Tensor::OfIntegers(ElementType::kString, {1}, {1}).type(), ElementType::kUndefined);
}

TEST(TensorTest, HasNoElementsWhenADimensionIsZero) {
  const Tensor tensor = Tensor::Empty(ElementType::kFloat16, {1, 4, 0, 8});
  EXPECT_EQ(tensor.elements(), 0U);
  EXPECT_EQ(DimsText(tensor.dims()), "[1, 4, 0, 8]");
}

}  // namespace
}  // namespace onnxquant
