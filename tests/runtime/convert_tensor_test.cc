#include "lib/runtime/convert_tensor.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  const auto* values = reinterpret_cast<const T*>(tensor.bytes().data());
  return {values, values + tensor.elements()};
}

TEST(ConvertTensorTest, RoundsFloatsToTheOtherFloats) {
  const Tensor wide = Tensor::Of(ElementType::kDouble, {2}, std::vector<double>{0.1, -3});
  const auto narrow = ConvertTensor(wide, ElementType::kFloat);
  ASSERT_TRUE(narrow.has_value());
  EXPECT_THAT(Values<float>(*narrow), ElementsAre(0.1F, -3.0F));
  const auto half = ConvertTensor(*narrow, ElementType::kFloat16);
  EXPECT_THAT(Values<std::uint16_t>(*half), ElementsAre(0x2e66, 0xc200));
  EXPECT_EQ(ConvertTensor(wide, ElementType::kDouble)->bytes().data(), wide.bytes().data());
}

TEST(ConvertTensorTest, TakesIntegersThatFit) {
  const Tensor wide = Tensor::OfIntegers(ElementType::kInt64, {3}, {-128, 0, 127});
  EXPECT_THAT(Values<std::int8_t>(*ConvertTensor(wide, ElementType::kInt8)),
              ElementsAre(-128, 0, 127));
  EXPECT_FALSE(ConvertTensor(wide, ElementType::kUint8).has_value());
  const Tensor large = Tensor::OfIntegers(ElementType::kInt64, {1}, {std::int64_t{1} << 40});
  EXPECT_FALSE(ConvertTensor(large, ElementType::kInt32).has_value());
  const Tensor most = Tensor::Of(ElementType::kUint64, {1}, std::vector<std::uint64_t>{~0ULL});
  EXPECT_FALSE(ConvertTensor(most, ElementType::kInt64).has_value());
  EXPECT_TRUE(ConvertTensor(most, ElementType::kUint64).has_value());
}

TEST(ConvertTensorTest, TakesZerosAndOnesForBooleans) {
  const Tensor ones = Tensor::OfIntegers(ElementType::kInt64, {2}, {0, 1});
  EXPECT_THAT(Values<std::uint8_t>(*ConvertTensor(ones, ElementType::kBool)), ElementsAre(0, 1));
  const Tensor two = Tensor::OfIntegers(ElementType::kInt64, {1}, {2});
  EXPECT_FALSE(ConvertTensor(two, ElementType::kBool).has_value());
  const Tensor truth = Tensor::OfIntegers(ElementType::kBool, {2}, {1, 0});
  EXPECT_THAT(Values<std::int64_t>(*ConvertTensor(truth, ElementType::kInt64)), ElementsAre(1, 0));
}

TEST(ConvertTensorTest, MakesNoFloatsOfIntegers) {
  const Tensor image = Tensor::Of(ElementType::kUint8, {2}, std::vector<std::uint8_t>{1, 255});
  EXPECT_FALSE(ConvertTensor(image, ElementType::kFloat).has_value());
  const Tensor floats = Tensor::OfFloats(ElementType::kFloat, {1}, {1});
  EXPECT_FALSE(ConvertTensor(floats, ElementType::kInt64).has_value());
  EXPECT_FALSE(ConvertTensor(image, ElementType::kString).has_value());
}

}  // namespace
}  // namespace onnxquant
