#include "lib/targets/kernels.h"

#include "gmock/gmock.h"

namespace onnxquant {
namespace {

using ::testing::Contains;
using ::testing::Not;

TEST(AskKernels, KnowsWhatLoadsAndWhatDoesNot) {
  const KernelAnswer half = AskKernels("cpu", {1, 30}, "Add", 21, ElementType::kFloat16);
  EXPECT_TRUE(half.known);
  EXPECT_TRUE(half.runs);
  const KernelAnswer brain = AskKernels("cpu", {1, 30}, "Add", 21, ElementType::kBFloat16);
  EXPECT_TRUE(brain.known);
  EXPECT_FALSE(brain.runs);
  EXPECT_THAT(brain.takes, Contains(ElementType::kFloat));
  EXPECT_THAT(brain.takes, Not(Contains(ElementType::kBFloat16)));
}

TEST(AskKernels, TakesTheRowOfTheModelsOpset) {
  EXPECT_TRUE(AskKernels("webgpu", {1, 30}, "Acos", 21, ElementType::kFloat).runs);
  EXPECT_FALSE(AskKernels("webgpu", {1, 30}, "Acos", 22, ElementType::kFloat).runs);
}

TEST(AskKernels, TakesTheNewestRuntimeThatIsNotNewer) {
  EXPECT_EQ(AskKernels("cpu", {1, 31}, "Add", 21, ElementType::kFloat).version, (Version{1, 30}));
  EXPECT_EQ(AskKernels("cpu", {9, 0}, "Add", 21, ElementType::kFloat).version, (Version{1, 32}));
}

TEST(AskKernels, KnowsNothingOfOlderRuntimesAndOtherOperators) {
  EXPECT_FALSE(AskKernels("webgpu", {1, 26}, "Add", 21, ElementType::kBFloat16).known);
  EXPECT_FALSE(AskKernels("cpu", {1, 30}, "mine::Add", 21, ElementType::kFloat).known);
  EXPECT_FALSE(AskKernels("tensorrt", {1, 30}, "Add", 21, ElementType::kFloat).known);
}

TEST(AskKernels, KnowsWhatOnnxRuntimesSourceLists) {
  EXPECT_TRUE(AskKernels(kCudaKernels, {1, 28}, "Add", 21, ElementType::kBFloat16).runs);
  // A kernel that is open to the end is not taken for a newer version of the operator.
  EXPECT_TRUE(AskKernels(kCudaKernels, {1, 32}, "Cos", 21, ElementType::kFloat).runs);
  EXPECT_FALSE(AskKernels(kCudaKernels, {1, 32}, "Cos", 22, ElementType::kFloat).runs);
  EXPECT_FALSE(AskKernels(kCudaKernels, {1, 27}, "Add", 21, ElementType::kFloat).known);
  EXPECT_FALSE(AskKernels(kCoreMlKernels, {1, 28}, "Add", 21, ElementType::kFloat).known);
  EXPECT_TRUE(AskKernels(kCoreMlKernels, {1, 28}, "Sign", 13, ElementType::kFloat).known);
}

TEST(AskKernels, KnowsNothingOfTypesThatTheOperatorDoesNotHave) {
  EXPECT_FALSE(AskKernels("cpu", {1, 30}, "Celu", 12, ElementType::kFloat16).known);
  EXPECT_FALSE(AskKernels("cpu", {1, 30}, "Add", 21, ElementType::kInt64).known);
}

TEST(AskKernels, KnowsOwnOperatorsByTheirDomain) {
  EXPECT_TRUE(
      AskKernels("webgpu", {1, 30}, "com.microsoft::RotaryEmbedding", 21, ElementType::kFloat16)
          .runs);
}

}  // namespace
}  // namespace onnxquant
