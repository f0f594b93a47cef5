#include "lib/checkpoint/elementwise.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace onnxquant {
namespace {

using ::testing::ElementsAre;

CheckpointTensor TensorOf(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  CheckpointTensor tensor;
  tensor.shape = std::move(shape);
  tensor.stored = TypeOfSafetensors("F32");
  tensor.payload = reinterpret_cast<const std::byte*>(values.data());
  return tensor;
}

std::vector<ValueMatrix> MatrixOf(const std::vector<float>& values,
                                  std::vector<std::int64_t> dims) {
  return WaysToRead({reinterpret_cast<const std::byte*>(values.data()), values.size() * 4},
                    ElementType::kFloat, dims);
}

TEST(Elementwise, RowsLeaveOutAxesOfOneElement) {
  const std::vector<float> values(24);
  const CheckpointTensor vector = TensorOf(values, {1, 24, 1});
  EXPECT_EQ(RowsOf(vector).rows, 1);
  EXPECT_EQ(RowsOf(vector).columns, 24);
  const CheckpointTensor filters = TensorOf(values, {2, 3, 2, 2});
  EXPECT_EQ(RowsOf(filters).rows, 2);
}

TEST(Elementwise, ComparesRowsWithColumns) {
  const std::vector<float> given = {1, 2, 3, 4, 5, 6};
  const std::vector<float> found = {1, 4, 2, 5, 3, 9};
  const CheckpointTensor tensor = TensorOf(given, {2, 3});
  const auto ways = MatrixOf(found, {3, 2});
  const ValueDifference difference = Compare(RowsOf(tensor), 0, 2, ways[1], 0, {});
  EXPECT_EQ(difference.elements, 6U);
  EXPECT_EQ(difference.exact, 5U);
  EXPECT_EQ(difference.max_abs, 3);
  EXPECT_NEAR(difference.Relative(), 3 / std::sqrt(91.0), 1e-12);
  EXPECT_FALSE(difference.Same());
}

TEST(Elementwise, WhatIsRoundedIsTheSame) {
  const std::vector<float> given = {0.1F, 0.2F, 1.0000001F};
  const std::vector<float> found = {0.099975586F, 0.2001953125F, 1.0F};
  const CheckpointTensor tensor = TensorOf(given, {3, 1});
  std::vector<ValueMatrix> ways = MatrixOf(found, {1, 3});
  const ValueDifference difference = Compare(RowsOf(tensor), 0, 1, ways[0], 0, {});
  EXPECT_EQ(difference.exact, 0U);
  EXPECT_EQ(difference.rounded, 3U);
  EXPECT_TRUE(difference.Same());
}

TEST(Elementwise, LongRowsAreReadInParts) {
  std::vector<float> given(200000, 1.0F);
  std::vector<float> found = given;
  found[150000] = 2;
  const CheckpointTensor tensor = TensorOf(given, {2, 100000});
  const ValueDifference difference =
      Compare(RowsOf(tensor), 0, 2, MatrixOf(found, {2, 100000})[0], 0, {});
  EXPECT_EQ(difference.exact, 199999U);
  EXPECT_EQ(difference.max_abs, 1);
}

TEST(Elementwise, NumbersThatAreNoneAgreeWithEachOtherAlone) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> given = {none, none};
  const std::vector<float> found = {none, 1};
  const CheckpointTensor tensor = TensorOf(given, {2});
  EXPECT_FALSE(Compare(RowsOf(tensor), 0, 1, MatrixOf(found, {1, 2})[0], 0, {}).Same());
}

}  // namespace
}  // namespace onnxquant
