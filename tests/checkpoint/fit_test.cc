#include "lib/checkpoint/fit.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

std::vector<float> Waves(std::size_t count, double phase) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(std::sin(static_cast<double>(i) * 1.7 + phase));
  }
  return values;
}

std::vector<float> Made(std::vector<float> values, float factor, float offset) {
  for (float& value : values) value = value * factor + offset;
  return values;
}

TEST(BestFit, OfEqualNumbersIsNothing) {
  const TensorFit fit = BestFit(Waves(64, 0), Waves(64, 0), true);
  EXPECT_EQ(fit.error, 0);
  EXPECT_FALSE(fit.transform.Changes());
}

TEST(BestFit, KnowsOneMoreAndOneLessOfVectors) {
  EXPECT_EQ(BestFit(Waves(64, 0), Made(Waves(64, 0), 1, 1), true).transform.offset, 1);
  EXPECT_EQ(BestFit(Made(Waves(64, 0), 1, 1), Waves(64, 0), true).transform.offset, -1);
  EXPECT_GT(BestFit(Waves(64, 0), Made(Waves(64, 0), 1, 1), false).error, 0.1);
}

TEST(BestFit, KnowsOneMoreThanZero) {
  EXPECT_EQ(BestFit(std::vector<float>(16), std::vector<float>(16, 1.0F), true).transform.offset,
            1);
}

TEST(BestFit, KnowsAFactor) {
  const TensorFit fit = BestFit(Waves(64, 0), Made(Waves(64, 0), -25.25F, 0), false);
  EXPECT_NEAR(fit.transform.factor, -25.25, 1e-5);
  EXPECT_LT(fit.error, kSame);
}

TEST(BestFit, TellsWeightsThatWereTrainedOnFromOthers) {
  std::vector<float> trained = Waves(64, 0);
  for (std::size_t i = 0; i < trained.size(); ++i) trained[i] += i % 2 == 0 ? 0.05F : -0.03F;
  const TensorFit fit = BestFit(Waves(64, 0), trained, false);
  EXPECT_GT(fit.error, kSame);
  EXPECT_LT(fit.error, 0.1);
  EXPECT_FALSE(fit.transform.Changes());
  EXPECT_GT(BestFit(Waves(64, 0), Waves(64, 1.5), false).error, 0.5);
}

TEST(SamplesOf, AreOfTheSamePlacesInATensorAndAMatrix) {
  std::vector<float> values = Waves(12 * 20, 0.3);
  const StoredType* type = TypeOfSafetensors("F32");
  CheckpointTensor tensor;
  tensor.shape = {12, 20};
  tensor.stored = type;
  tensor.payload = reinterpret_cast<const std::byte*>(values.data());
  const auto ways = WaysToRead({tensor.payload, values.size() * 4}, ElementType::kFloat, {12, 20});
  EXPECT_EQ(SamplesOf(RowsOf(tensor)), SamplesOf(ways[0]));
  EXPECT_EQ(SamplesOf(ways[0]).size(), 64U);
}

}  // namespace
}  // namespace onnxquant
