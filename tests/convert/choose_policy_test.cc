#include "onnxquant/choose_policy.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/model/serialize.h"
#include "onnxquant/model_in_memory.h"
#include "tests/support/half_model.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kProduct[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[2, 8] x) => (float[2, 8] y) <float[8, 8] w> { y = MatMul(x, w) })";

class ChoosePolicyTest : public ::testing::Test {
 protected:
  absl::StatusOr<PolicyChoice> Choose(const onnx::ModelProto& model) {
    std::string bytes;
    EXPECT_TRUE(SerializeModel(model, &bytes).ok());
    folder_.Write("model.onnx", bytes);
    return ChoosePolicy(folder_ / "model.onnx");
  }

  TempFolder folder_;
};

TEST_F(ChoosePolicyTest, AModelOfNoFamilyGetsFloat16AndFourBitsOfTransformersJs) {
  const auto choice = Choose(ParseModel(kProduct));
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->policy, "transformersjs");
  EXPECT_THAT(choice->dtypes, ElementsAre("fp16", "q4f16"));
  EXPECT_THAT(choice->why, HasSubstr("no family"));
}

TEST_F(ChoosePolicyTest, AModelInMemoryGetsWhatItsFileGets) {
  std::string bytes;
  ASSERT_TRUE(SerializeModel(ParseModel(kProduct), &bytes).ok());
  ModelInMemory memory;
  memory.path = "model.onnx";
  memory.model =
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
  const auto choice = ChoosePolicy(memory);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->policy, "transformersjs");
}

TEST_F(ChoosePolicyTest, AFileInSixteenBitsIsToBeCheckedFirst) {
  const auto choice = Choose(InHalf(ParseModel(kProduct)));
  ASSERT_FALSE(choice.ok());
  EXPECT_EQ(KindOf(choice.status()), ErrorKind::kUsage);
  EXPECT_THAT(choice.status().message(), HasSubstr("in 16 bits already: 'onnxquant check "));
}

TEST_F(ChoosePolicyTest, WhatIsNoModelIsRefused) {
  folder_.Write("model.onnx", "no model");
  EXPECT_EQ(KindOf(ChoosePolicy(folder_ / "model.onnx").status()), ErrorKind::kModel);
  EXPECT_EQ(KindOf(ChoosePolicy(folder_ / "none.onnx").status()), ErrorKind::kModel);
}

}  // namespace
}  // namespace onnxquant
