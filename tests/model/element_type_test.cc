#include "lib/model/element_type.h"

#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

TEST(ElementType, KnowsEveryTypeOfOnnxAndNoOther) {
  for (int number = -1; number < 40; ++number) {
    const bool known = onnx::TensorProto::DataType_IsValid(number) && number != 0;
    EXPECT_EQ(ElementTypeFromOnnx(number).ok(), known) << number;
  }
}

TEST(ElementType, FindsTypesByTheNamesItGives) {
  for (int number = 1; number <= 28; ++number) {
    const auto type = static_cast<ElementType>(number);
    EXPECT_EQ(ElementTypeFromName(NameOf(type)), type);
  }
  EXPECT_FALSE(ElementTypeFromName("float"));
}

TEST(ElementType, KnowsWhichTypesAreRealNumbers) {
  int floats = 0;
  for (int number = 1; number <= 28; ++number) {
    floats += IsFloat(static_cast<ElementType>(number)) ? 1 : 0;
  }
  EXPECT_EQ(floats, 4);
  EXPECT_TRUE(IsFloat(ElementType::kDouble));
  EXPECT_FALSE(IsHalf(ElementType::kDouble));
  EXPECT_TRUE(IsHalf(ElementType::kBFloat16));
}

std::uint64_t BytesOf(ElementType type, const std::vector<std::int64_t>& dims) {
  return PackedBytes(type, dims).value();
}

TEST(ElementType, RoundsPackedTensorsUpOnceAtTheEnd) {
  EXPECT_EQ(BytesOf(ElementType::kFloat, {2, 3}), 24U);
  EXPECT_EQ(BytesOf(ElementType::kFloat, {}), 4U);
  EXPECT_EQ(BytesOf(ElementType::kInt4, {3, 3}), 5U);
  EXPECT_EQ(BytesOf(ElementType::kUint2, {5}), 2U);
  EXPECT_EQ(BytesOf(ElementType::kFloat16, {0, 7}), 0U);
}

TEST(ElementType, RefusesSizesThatMakeNoSense) {
  EXPECT_FALSE(PackedBytes(ElementType::kFloat, {-1}).ok());
  EXPECT_FALSE(PackedBytes(ElementType::kString, {1}).ok());
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(PackedBytes(ElementType::kFloat, {huge, huge}).ok());
  EXPECT_EQ(BytesOf(ElementType::kFloat, {0, 1000}), 0U);
}

}  // namespace
}  // namespace onnxquant
