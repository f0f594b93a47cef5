#include "lib/runtime/text_inputs.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Dimension kOpen = {-1, "n"};

std::vector<std::int64_t> Values(const Tensor& tensor) {
  const auto* values = reinterpret_cast<const std::int64_t*>(tensor.bytes().data());
  return {values, values + tensor.elements()};
}

Tensor Made(const std::string& name, const TextShape& shape) {
  const auto made = MakeTextInput({name, ElementType::kInt64, {kOpen, kOpen}}, shape);
  EXPECT_TRUE(made.has_value()) << name;
  return made.value_or(Tensor());
}

TEST(TextInputsTest, FollowFromTheShapeOfTheText) {
  const TextShape shape{.sequences = 2, .count = 2, .before = 3};
  EXPECT_THAT(Made("attention_mask", shape).dims(), ElementsAre(2, 5));
  EXPECT_THAT(Values(Made("position_ids", shape)), ElementsAre(3, 4, 3, 4));
  EXPECT_THAT(Values(Made("token_type_ids", shape)), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(Values(Made("use_cache_branch", shape)), ElementsAre(1));
  EXPECT_THAT(Values(Made("use_cache_branch", {})), ElementsAre(0));
  EXPECT_THAT(Values(Made("num_logits_to_keep", {})), ElementsAre(0));
  EXPECT_FALSE(MakeTextInput({"pixel_values", ElementType::kFloat, {}}, shape).has_value());
}

TEST(TextInputsTest, MakeCachesWithoutPositions) {
  const Dimension heads = {4, ""};
  const auto cache =
      EmptyCache({"past_key_values.0.key", ElementType::kFloat16, {kOpen, heads, kOpen, heads}}, 2);
  ASSERT_TRUE(cache.ok());
  EXPECT_THAT(cache->dims(), ElementsAre(2, 4, 0, 4));
  const auto fixed = EmptyCache({"past_key_values.0.key", ElementType::kFloat, {heads, heads}}, 1);
  EXPECT_EQ(KindOf(fixed.status()), ErrorKind::kVerify);
  EXPECT_THAT(std::string(fixed.status().message()), HasSubstr("an open dimension"));
}

}  // namespace
}  // namespace onnxquant
