#include "lib/checkpoint/parts.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace onnxquant {
namespace {

std::vector<float> Waves(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(std::sin(static_cast<double>(i) * 1.7));
  }
  return values;
}

const std::byte* Bytes(const std::vector<float>& values) {
  return reinterpret_cast<const std::byte*>(values.data());
}

CheckpointTensor TensorOf(const std::vector<float>& values, std::vector<std::int64_t> shape) {
  CheckpointTensor tensor;
  tensor.shape = std::move(shape);
  tensor.stored = TypeOfSafetensors("F32");
  tensor.payload = Bytes(values);
  return tensor;
}

GraphWeight WeightOf(const std::vector<float>& values, const std::vector<std::int64_t>& dims) {
  GraphWeight weight;
  weight.ways = WaysToRead({Bytes(values), values.size() * 4}, ElementType::kFloat,
                           dims.size() == 1 ? std::vector<std::int64_t>{1, dims[0]} : dims);
  if (dims.size() == 1) weight.ways.resize(1);
  return weight;
}

TEST(Parts, RowsOfATensorAreLinesOfALargerConstant) {
  const std::vector<float> all = Waves(10 * 4);
  const std::vector<float> some(all.begin() + 12, all.begin() + 24);
  const CheckpointTensor tensor = TensorOf(some, {3, 4});
  const auto part = PartOfConstant(RowsOf(tensor), WeightOf(all, {10, 4}), 0);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->line, 3);
  EXPECT_EQ(part->rows, 3);
  EXPECT_FALSE(PartOfConstant(RowsOf(tensor), WeightOf(all, {10, 4}), 1));
  std::vector<float> other = some;
  other[11] += 0.1F;
  const CheckpointTensor changed = TensorOf(other, {3, 4});
  EXPECT_FALSE(PartOfConstant(RowsOf(changed), WeightOf(all, {10, 4}), 0));
}

TEST(Parts, LinesOfAConstantAreRowsOfALargerTensor) {
  const std::vector<float> all = Waves(10 * 4);
  const std::vector<float> last(all.begin() + 28, all.end());
  const CheckpointTensor tensor = TensorOf(all, {10, 4});
  const auto part = PartOfTensor(RowsOf(tensor), WeightOf(last, {3, 4}), 0);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->row, 7);
  EXPECT_EQ(part->rows, 3);
}

TEST(Parts, RowsMayStandInAnotherOrder) {
  const std::vector<float> all = Waves(6 * 4);
  std::vector<float> turned;
  const std::vector<std::int64_t> order = {2, 0, 5, 1, 4, 3};
  for (const std::int64_t row : order) {
    turned.insert(turned.end(), all.begin() + row * 4, all.begin() + row * 4 + 4);
  }
  const CheckpointTensor tensor = TensorOf(turned, {6, 4});
  EXPECT_EQ(LinesInOtherOrder(RowsOf(tensor), WeightOf(all, {6, 4}), 0), order);
  turned[23] += 0.1F;
  EXPECT_TRUE(LinesInOtherOrder(RowsOf(tensor), WeightOf(all, {6, 4}), 0).empty());
}

TEST(Parts, ElementsOfAVectorAreRows) {
  const std::vector<float> all = Waves(20);
  const std::vector<float> some(all.begin() + 5, all.begin() + 15);
  const CheckpointTensor tensor = TensorOf(some, {10});
  const auto part = PartOfConstant(RowsOf(tensor), WeightOf(all, {20}), 0);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->line, 5);
  EXPECT_EQ(part->rows, 10);
}

}  // namespace
}  // namespace onnxquant
